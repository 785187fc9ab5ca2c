// The text of a member of a JSON object, just as it stands: what a signature is made over must not be parsed and
// written anew.

const SPACE = new Set([" ", "\t", "\n", "\r"]);

/** The text of `name` in the object that `text` is, or undefined where it has none. Throws where it is no object. */
export function rawMember(text: string, name: string): string | undefined {
  let at = skip(text, 0);
  if (text[at] !== "{") throw new SyntaxError("no JSON object");
  at = skip(text, at + 1);
  while (text[at] === '"') {
    const nameEnd = endOfString(text, at);
    const found = JSON.parse(text.slice(at, nameEnd)) as string;
    at = skip(text, nameEnd);
    if (text[at] !== ":") throw new SyntaxError("no JSON object");
    const start = skip(text, at + 1);
    const end = endOfValue(text, start);
    if (found === name) return text.slice(start, end);
    at = skip(text, end);
    if (text[at] === ",") at = skip(text, at + 1);
  }
  return undefined;
}

function skip(text: string, from: number): number {
  let at = from;
  while (SPACE.has(text[at] ?? "")) at += 1;
  return at;
}

function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === '"') {
      at = endOfString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (depth === 0 && (char === "," || char === "}" || char === "]" || SPACE.has(char))) return at;
    if (char === "{" || char === "[") depth += 1;
    if (char === "}" || char === "]") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
    at += 1;
  }
  return at;
}
