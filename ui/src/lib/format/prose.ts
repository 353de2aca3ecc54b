export interface Part {
  text: string;
  code: boolean;
}

/** A sentence of the core's, taken apart where something to be typed stands between backticks. */
export function parts(sentence: string): Part[] {
  return sentence
    .split(/`([^`]+)`/)
    .map((text, n) => ({ text, code: n % 2 === 1 }))
    .filter(({ text }) => text !== '');
}
