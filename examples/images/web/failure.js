// Failures in plain words.

const kServerSide = ["Something went wrong", "The function failed on this picture. Another one may work."];
const kSetUp = ["The system is set up differently", "It does not offer what this page asks for."];
const kTooLong = ["That took too long", "The function was stopped at its time limit. A smaller picture may work."];

// One entry for each reason that a caller can meet: a title and a sentence.
const kWords = {
  "bad-input": ["This picture could not be read", "The function looked at it and says:"],
  "body-too-large": ["This picture is too large", "The system takes smaller ones only. Please choose or make one."],
  "request-timeout": ["The upload was too slow", "The connection stalled for too long. Please try again."],
  "limit-cpu": kTooLong,
  "limit-wall": kTooLong,
  "limit-memory": ["This picture needs too much memory", "The function reached its limit. A smaller picture may work."],
  "limit-output": ["The result is too large", "The function reached its limit. A smaller picture may work."],
  overloaded: ["Too busy at the moment", "More pictures arrived than can be handled. Please try again"],
  draining: ["The system is shutting down", "It takes no new pictures. Please try again"],
  "upstream-failed": [
    "A part of the system did not answer",
    "The function could not be reached. Please try again soon.",
  ],
  "function-failed": kServerSide,
  trap: kServerSide,
  "limit-calls": kServerSide,
  internal: kServerSide,
  denied: ["The function was not allowed to do this", "It asked for something that it has not been granted."],
  unauthorized: ["A token is needed", "The system lets in only callers that it knows."],
  "bad-request": kSetUp,
  "not-found": kSetUp,
  "method-not-allowed": kSetUp,
  "head-too-large": kSetUp,
};
const kWithRetry = new Set(["overloaded", "draining"]);

const textOf = (value) => (typeof value === "string" ? value : "");

/**
 * What to show for an answer that is an error: `{title, text, quote, small}`. `quote` is what the function itself said
 * and may be empty; `small` is for whoever looks after the system.
 */
export function explainProblem(answer, problem) {
  const reason = textOf(problem.reason) || answer.reason;
  const [title, text] = Object.hasOwn(kWords, reason)
    ? kWords[reason]
    : ["Something went wrong", "The system could not handle this picture."];
  const id = textOf(problem.request_id);
  return failure(title, kWithRetry.has(reason) ? `${text} ${whenToRetry(answer.retryAfter)}.` : text, {
    quote: reason === "bad-input" ? textOf(problem.detail) || "(nothing)" : "",
    small: [`${reason || "no reason given"} (${answer.status})`, id && `request ${id}`].filter(Boolean).join(" · "),
  });
}

/** The server could not be reached, or the connection broke. */
export function explainUnreachable({ uploaded }) {
  if (uploaded) {
    return failure("No answer came back", "The connection was lost while the function was at work. Please try again.");
  }
  return failure(
    "The picture did not get through",
    "The system may be stopped, or refuse a picture of this size. Please try again, or with a smaller one.",
  );
}

/** An answer that is none of those this page knows. */
export function explainUnexpected({ status, type }) {
  const small = `${type || "no content type"} (${status})`;
  return failure("An unexpected answer came back", "It is not what this page can show.", { small });
}

function failure(title, text, { quote = "", small = "" } = {}) {
  return { title, text, quote, small };
}

function whenToRetry(retryAfter) {
  if (!/^\d{1,4}$/.test(retryAfter)) return "in a moment";
  return retryAfter === "1" ? "in a second" : `in ${retryAfter} seconds`;
}
