// Text on its ground, as the style sheet has the colours: 4.5 or more in both themes (WCAG 2.2, 1.4.3, level AA).

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const tokens = readFileSync("src/styles/tokens.css", "utf8");

type Rgb = [number, number, number];

function theme(name: string): Map<string, string> {
  const block = tokens.split(`data-theme="${name}"`)[1]?.split("}")[0] ?? "";
  return new Map(
    [...block.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6,8})/g)].map((found) => [found[1] as string, found[2] as string]),
  );
}

/** A colour on another, which shines through where the first is transparent. */
function rgb(hex: string, under: Rgb = [0, 0, 0]): Rgb {
  const part = (at: number) => Number.parseInt(hex.slice(1 + at * 2, 3 + at * 2), 16);
  const alpha = hex.length === 9 ? part(3) / 255 : 1;
  return [0, 1, 2].map((at) => part(at) * alpha + (under[at] as number) * (1 - alpha)) as Rgb;
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

describe.each(["dark", "light"])("in the %s theme", (name) => {
  const colours = theme(name);
  const colour = (token: string, under?: Rgb) => rgb(colours.get(token) as string, under);
  const grounds = ["ground", "panel", "raised", "field", "hover"];
  const texts = ["text", "muted", "up", "down", "accent", "warning"];

  test.each(texts)("%s can be read on every ground", (text) => {
    for (const ground of grounds) {
      expect(contrast(colour(text), colour(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test.each(["up-ground", "down-ground"])("the ladder can be read on %s", (bar) => {
    for (const text of ["text", "muted", bar.replace("-ground", "")]) {
      expect(contrast(colour(text), colour(bar, colour("panel"))), `${text} on ${bar}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test.each(["up-fill", "down-fill", "accent-fill"])("buttons can be read on %s", (fill) => {
    expect(contrast(colour("on-fill"), colour(fill))).toBeGreaterThanOrEqual(4.5);
  });
});
