// Decimals as whole numbers of a smallest unit, never as floats: "12.5" with two decimals is 1250n.

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

export class BadDecimal extends Error {}

/** The text as units of 10^-decimals. Throws BadDecimal if it is no plain decimal, or finer than that. */
export function parseDecimal(text: string, decimals: number): bigint {
  const found = DECIMAL.exec(text);
  if (found === null) throw new BadDecimal(`${text || "nothing"} is no number such as 12.5`);
  const [, sign, whole = "", fraction = ""] = found;
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > decimals) throw new BadDecimal(`${text} has more than ${decimals} decimals`);
  const units = BigInt(whole + kept.padEnd(decimals, "0"));
  return sign ? -units : units;
}

/** The shortest text, as the exchange writes it: 1250n with two decimals is "12.5". */
export function formatDecimal(units: bigint, decimals: number): string {
  const fixed = formatFixed(units, decimals);
  return decimals === 0 ? fixed : fixed.replace(/\.?0+$/, "");
}

/** With all its decimals, so that columns of numbers stand below one another. */
export function formatFixed(units: bigint, decimals: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const sign = units < 0n ? "-" : "";
  return decimals === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-decimals)}`;
}

/** As formatFixed, but with thousands apart: what people read, and no exchange would take. */
export function formatGrouped(units: bigint, decimals: number): string {
  const [whole = "", fraction] = formatFixed(units, decimals).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}

/** How many decimals a number needs: 2 for "0.01", 0 for "5" and "1.0". */
export function decimalsOf(text: string): number {
  const fraction = text.split(".")[1] ?? "";
  return fraction.replace(/0+$/, "").length;
}

/** Rounded towards minus infinity, as BigInt's own division isn't. The divisor is above zero. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

/** For drawing alone: a screen's pixels are floats anyway. */
export function toPixels(units: bigint, decimals: number): number {
  return Number(units) / 10 ** decimals;
}
