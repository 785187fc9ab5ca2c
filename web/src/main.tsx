// Starts the page: what it remembers, what it follows, what it shows. Everything is repainted once a frame at most,
// however many updates there were.

import { options, render } from "preact";
import { feed } from "./exchange/feed";
import { measure } from "./exchange/rest";
import { followAccount } from "./state/account";
import { followCanary } from "./state/canary";
import { askWhetherOffered } from "./state/funds";
import { loadKeys } from "./state/keys";
import { followMarket, loadMarkets } from "./state/market";
import { Page } from "./ui/page";

const MEASURE_MS = 5_000;

options.debounceRendering = requestAnimationFrame;

feed.start();
void loadMarkets();
void loadKeys();
void measure();
void askWhetherOffered();
setInterval(measure, MEASURE_MS);
followMarket();
followAccount();
followCanary();
render(<Page />, document.getElementById("page") as HTMLElement);
