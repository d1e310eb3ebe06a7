// Calls of the API, by the session cookie.
const base = document.body.dataset.api;
// An answer that does not come in this time is none: the line may be dead.
const PATIENCE = 15000;

/** What the API answered in place of what was asked: `status` (0: no answer at all) and the problem document. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The address of a path of the API. */
export function address(path) {
  return base + path;
}

/** Send `body` (none: nothing) and give the JSON of the answer. Throws `ApiError`. */
export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(address(path), {
      method,
      cache: "no-store",
      signal: AbortSignal.timeout?.(PATIENCE),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, {});
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, document);
  return document;
}
