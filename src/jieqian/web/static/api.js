// Calls of the API: by the session cookie, or by the token of a page that holds one.
const base = document.body.dataset.api;
/** An answer that does not come in this time is none: the line may be dead. */
export const PATIENCE = 15000;
let bearer = "";

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

/** From now on ask by this token, and by no cookie. */
export function identify(token) {
  bearer = token;
}

/** The answer to a request of ours. Throws `ApiError` where there is none, or one that is an error. */
export async function ask(url, options = {}) {
  const who = bearer ? { credentials: "omit", headers: { ...options.headers, Authorization: `Bearer ${bearer}` } } : {};
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE), ...options, ...who });
  } catch {
    throw new ApiError(0, {});
  }
  if (answer.ok) return answer;
  const error = new ApiError(answer.status, await answer.clone().json().catch(() => ({})));
  error.answer = answer;
  if (answer.status === 401) document.dispatchEvent(new Event("unknown-caller"));
  throw error;
}

/**
 * Send `body` (none: nothing), with `headers` besides, and give the JSON of the answer, waited for so many milliseconds.
 * Throws `ApiError`.
 */
export async function call(method, path, body, headers = {}, patience = PATIENCE) {
  const sent = body === undefined ? { headers } : {
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await ask(address(path), { method, signal: AbortSignal.timeout?.(patience), ...sent });
  if (answer.status === 204) return {};
  try {
    return await answer.json();
  } catch {
    throw new ApiError(0, {}); // it was cut off, or is not the service's: a network with a page of its own answers for it
  }
}
