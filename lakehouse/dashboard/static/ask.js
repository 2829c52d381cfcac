// Questions to the server. An error arrives as a sentence, and is shown as one.

export class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

export async function ask(path, parameters = null, signal = undefined) {
  let answer, told;
  try {
    answer = await fetch(parameters ? `${path}?${parameters}` : path, { signal });
    told = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // what came is no answer of ours: something in between spoke
    if (error instanceof SyntaxError) throw new Refused(`What answers here is not the dashboard (${answer.status} ${answer.statusText}).`, answer.ok ? 0 : answer.status);
    throw new Refused("The dashboard itself does not answer. Is `lakehouse up` or `lakehouse dashboard` running?", 0);
  }
  if (!answer.ok) throw new Refused(told.error, answer.status);
  return told;
}
