// The page of a reading: it is followed to its end; then there is something to be done with it.
import { preparePicture, preparePrint, prepareShare } from "./after.js";
import { prepareCopy, prepareFeedback } from "./afterwards.js";
import { prepareNotice } from "./notice.js";
import { prepareQuestions } from "./question.js";
import { prepareProgress } from "./watching.js";

const task = document.getElementById("task");

if (document.getElementById("after")) {
  prepareCopy();
  preparePrint();
  prepareShare();
  preparePicture();
  prepareFeedback(task.dataset.task);
  prepareQuestions();
}
if (document.getElementById("stop")) {
  prepareProgress();
  prepareNotice(task);
}
