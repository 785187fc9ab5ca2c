// The page's panels in their places.

import { failure, markets } from "../state/market";
import { PHONE_VIEWS, type PhoneView, phoneView } from "../state/view";
import { AccountPanel } from "./account_panel";
import { BookPanel } from "./book_panel";
import { ChartPanel } from "./chart_panel";
import { Dialogs } from "./dialogs";
import { Head } from "./head";
import { MarketList } from "./market_list";
import { OrderForm } from "./order_form";
import { useShortcuts } from "./shortcuts";
import { Toasts } from "./toasts";

const LABELS: Record<PhoneView, string> = {
  markets: "Markets",
  chart: "Chart",
  book: "Book",
  form: "Trade",
  orders: "Orders",
};

export function Page() {
  useShortcuts();
  if (markets.value.length === 0) return <Waiting />;
  return (
    <div class="page" data-view={phoneView.value}>
      <Head />
      <MarketList />
      <ChartPanel />
      <BookPanel />
      <OrderForm />
      <AccountPanel />
      <nav class="phone-tabs" aria-label="Panels">
        {PHONE_VIEWS.map((view) => (
          <button
            type="button"
            key={view}
            aria-pressed={phoneView.value === view}
            onClick={() => {
              phoneView.value = view;
            }}
          >
            {LABELS[view]}
          </button>
        ))}
      </nav>
      <Dialogs />
      <Toasts />
    </div>
  );
}

function Waiting() {
  return (
    <div class="nothing" role="status">
      <h2>Glassbook</h2>
      <p>{failure.value ? `${failure.value}. Trying again.` : "Looking for the markets."}</p>
    </div>
  );
}
