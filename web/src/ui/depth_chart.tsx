// The depth of the book: how much stands up to each price, on a canvas.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Book, Level } from "../core/book";
import { toPixels } from "../core/decimal";
import { type Market, priceDecimals, quantityDecimals } from "../core/terms";
import { book, bookVersion } from "../state/market";
import { theme } from "../state/settings";
import { grouped, short } from "./words";

interface Point {
  price: number;
  total: number;
}
interface Size {
  width: number;
  height: number;
}

const AXIS_PX = 22;
const HALF_WINDOW = 0.012;

export function DepthChart({ terms }: { terms: Market }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSignal<Size>({ width: 0, height: 0 });
  const pointer = useSignal<number | undefined>(undefined);
  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const observer = new ResizeObserver(() => {
      size.value = { width: element.clientWidth, height: element.clientHeight };
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const version = bookVersion.value;
  const ground = theme.value;
  useEffect(() => {
    if (book !== undefined) paint(canvas.current as HTMLCanvasElement, book, terms, size.value, pointer.value);
  }, [version, ground, size.value, pointer.value]);
  return (
    <canvas
      class="chart-canvas"
      ref={canvas}
      role="img"
      aria-label="Depth of the book"
      onPointerMove={(event) => {
        pointer.value = event.offsetX;
      }}
      onPointerLeave={() => {
        pointer.value = undefined;
      }}
    />
  );
}

function cumulated(levels: Level[], terms: Market): Point[] {
  let total = 0n;
  return levels.map((level) => {
    total += level.quantity;
    return {
      price: toPixels(level.price, priceDecimals(terms)),
      total: toPixels(total, quantityDecimals(terms)),
    };
  });
}

function paint(canvas: HTMLCanvasElement, of: Book, terms: Market, size: Size, pointer: number | undefined): void {
  const ratio = devicePixelRatio;
  canvas.width = size.width * ratio;
  canvas.height = size.height * ratio;
  const context = canvas.getContext("2d");
  const [bids, asks] = [cumulated(of.bids, terms), cumulated(of.asks, terms)];
  const [bid, ask] = [bids[0], asks[0]];
  if (context === null || size.width === 0 || bid === undefined || ask === undefined) return;
  const middle = (bid.price + ask.price) / 2;
  const reach = Math.min(
    middle * HALF_WINDOW,
    Math.max(middle - (bids.at(-1) as Point).price, (asks.at(-1) as Point).price - middle),
  );
  const shown = [bids, asks].map((side) => side.filter((point) => Math.abs(point.price - middle) <= reach));
  const most = Math.max(...shown.map((side) => side.at(-1)?.total ?? 0), Number.MIN_VALUE);
  const scale = {
    x: (price: number) => ((price - middle + reach) / (2 * reach)) * size.width,
    y: (total: number) => (size.height - AXIS_PX) * (1 - (total / most) * 0.92),
    price: (x: number) => (x / size.width) * 2 * reach + middle - reach,
  };
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  context.scale(ratio, ratio);
  context.font = `11px ${style.fontFamily}`;
  side(context, shown[0] as Point[], scale, size, colour("up"), colour("up-ground"), 0);
  side(context, shown[1] as Point[], scale, size, colour("down"), colour("down-ground"), size.width);
  axis(context, scale, size, priceDecimals(terms), colour("muted"), colour("line"));
  if (pointer !== undefined) {
    const price = scale.price(pointer);
    const points = (price < middle ? bids : asks).filter((point) =>
      price < middle ? point.price >= price : point.price <= price,
    );
    const total = points.at(-1)?.total ?? 0;
    cross(context, pointer, scale.y(total), size, colour("muted"));
    const text = `${price.toFixed(priceDecimals(terms))}   ${short(String(total))} ${terms.base}`;
    context.fillStyle = colour("text");
    context.textAlign = pointer > size.width / 2 ? "right" : "left";
    context.fillText(text, pointer + (pointer > size.width / 2 ? -8 : 8), 18);
  }
}

interface Scale {
  x: (price: number) => number;
  y: (total: number) => number;
  price: (x: number) => number;
}

function side(
  context: CanvasRenderingContext2D,
  points: Point[],
  scale: Scale,
  size: Size,
  line: string,
  ground: string,
  edge: number,
): void {
  const floor = size.height - AXIS_PX;
  const first = points[0];
  if (first === undefined) return;
  const path = new Path2D();
  path.moveTo(scale.x(first.price), floor);
  let y = floor;
  for (const point of points) {
    path.lineTo(scale.x(point.price), y);
    y = scale.y(point.total);
    path.lineTo(scale.x(point.price), y);
  }
  path.lineTo(edge, y);
  context.strokeStyle = line;
  context.lineWidth = 1.5;
  context.stroke(path);
  path.lineTo(edge, floor);
  path.closePath();
  context.fillStyle = ground;
  context.fill(path);
}

function axis(
  context: CanvasRenderingContext2D,
  scale: Scale,
  size: Size,
  decimals: number,
  text: string,
  line: string,
): void {
  context.strokeStyle = line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, size.height - AXIS_PX + 0.5);
  context.lineTo(size.width, size.height - AXIS_PX + 0.5);
  context.stroke();
  context.fillStyle = text;
  context.textAlign = "center";
  for (const share of [0.12, 0.31, 0.5, 0.69, 0.88]) {
    const price = scale.price(share * size.width).toFixed(decimals);
    context.fillText(grouped(price, decimals), share * size.width, size.height - 7);
  }
}

function cross(context: CanvasRenderingContext2D, x: number, y: number, size: Size, line: string): void {
  context.strokeStyle = line;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, size.height - AXIS_PX);
  context.moveTo(0, y);
  context.lineTo(size.width, y);
  context.stroke();
  context.setLineDash([]);
}
