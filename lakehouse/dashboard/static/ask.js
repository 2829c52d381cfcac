// Questions to the server. An error arrives as a sentence, and is shown as one.

export class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

export async function ask(path, parameters = null, signal = undefined) {
  let answer;
  try {
    answer = await fetch(parameters ? `${path}?${parameters}` : path, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The dashboard itself does not answer. Is `lakehouse up` or `lakehouse dashboard` running?", 0);
  }
  const told = await answer.json().catch(() => ({ error: `${answer.status} ${answer.statusText}` }));
  if (!answer.ok) throw new Refused(told.error, answer.status);
  return told;
}
