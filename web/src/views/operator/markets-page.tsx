import { useState } from "react";

import {
  type StaffMarket,
  useSetMarketStatus,
  useSetVenueStatus,
  useStaff,
  useStaffMarkets,
  useVenueStatus,
} from "../../selectors/operator";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { ReasonDialog } from "../parts/reason-dialog";
import { AddMarket } from "./add-market";

const words = t.operator;

export function MarketsPage() {
  const markets = useStaffMarkets();
  const { data: staff } = useStaff();
  const [changed, setChanged] = useState<StaffMarket | null>(null);
  const mayChange = staff?.actions.includes("set_market_status") ?? false;
  return (
    <>
      <VenueCard />
      <section className="card">
        <h2>{words.tabs.markets}</h2>
        <QueryView query={markets}>
          {(rows) => (
            <DataTable
              label={words.tabs.markets}
              rows={rows}
              rowId={(market) => market.symbol}
              columns={[
                { id: "symbol", header: words.market, accessorFn: (market) => market.symbol },
                {
                  id: "status",
                  header: words.status,
                  accessorFn: (market) => market.status,
                  cell: ({ row: { original } }) => (
                    <span className={original.status === "TRADING" ? "tag good" : "tag warn"}>
                      {humanize(original.status)}
                    </span>
                  ),
                },
                {
                  id: "change",
                  header: () => <span className="unseen">{t.trade.orders.actions}</span>,
                  enableSorting: false,
                  meta: { isNumber: true },
                  cell: ({ row: { original } }) =>
                    mayChange && (
                      <button
                        type="button"
                        className="button small"
                        aria-label={
                          original.status === "TRADING"
                            ? words.haltTitle(original.symbol)
                            : words.resumeTitle(original.symbol)
                        }
                        onClick={() => setChanged(original)}
                      >
                        {original.status === "TRADING" ? words.halt : words.resume}
                      </button>
                    ),
                },
              ]}
            />
          )}
        </QueryView>
      </section>
      {(staff?.actions.includes("define_market") ?? false) && <AddMarket markets={markets.data ?? []} />}
      {changed !== null && <ChangeStatus market={changed} onClose={() => setChanged(null)} />}
    </>
  );
}

function ChangeStatus({ market: { symbol, status }, onClose }: { market: StaffMarket; onClose: () => void }) {
  const change = useSetMarketStatus();
  const isOpen = status === "TRADING";
  return (
    <ReasonDialog
      title={isOpen ? words.haltTitle(symbol) : words.resumeTitle(symbol)}
      submit={isOpen ? words.halt : words.resume}
      isDangerous={isOpen}
      act={{ ...change, run: (reason) => change.run(symbol, isOpen ? "HALT" : "TRADING", reason) }}
      onClose={onClose}
    />
  );
}

function VenueCard() {
  const venue = useVenueStatus();
  const change = useSetVenueStatus();
  const { data: staff } = useStaff();
  const [isAsking, setIsAsking] = useState(false);
  const mayChange = staff?.actions.includes("set_venue_status") ?? false;
  return (
    <section className="card">
      <h2>{words.venue}</h2>
      <QueryView query={venue}>
        {({ status }) => {
          const isOpen = status === "OPEN";
          return (
            <div className="card-head">
              <span className={isOpen ? "tag good" : "tag bad"}>{words.venueOf[status] ?? status}</span>
              {mayChange && (
                <button
                  type="button"
                  className={isOpen ? "button sell" : "button primary"}
                  onClick={() => setIsAsking(true)}
                >
                  {isOpen ? words.kill : words.release}
                </button>
              )}
              {isAsking && (
                <ReasonDialog
                  title={isOpen ? words.killTitle : words.releaseTitle}
                  text={words.killText}
                  submit={isOpen ? words.kill : words.release}
                  isDangerous={isOpen}
                  act={{ ...change, run: (reason) => change.run(isOpen ? "HALTED" : "OPEN", reason) }}
                  onClose={() => setIsAsking(false)}
                />
              )}
            </div>
          );
        }}
      </QueryView>
    </section>
  );
}
