import type { ReactNode } from "react";

import { useMarkets } from "../../selectors/markets";
import { useServerClock } from "../../selectors/server-clock";
import { useLinks } from "../../state/links";
import { useSession } from "../../state/session";
import { t } from "../../strings";
import { useTitle } from "../parts/title";

const words = t.shell.statusPage;

export function StatusPage() {
  useTitle(words.title);
  const links = useLinks();
  const isSignedIn = useSession(({ session }) => session.kind === "signedIn");
  const clock = useServerClock();
  const isUp = clock.isError ? words.down : clock.data === undefined ? words.unknown : words.up;
  return (
    <div className="page">
      <header>
        <h1>{words.title}</h1>
        <p className="muted">{words.lead}</p>
      </header>
      <dl className="tiles">
        <Tile title={words.api} tone={clock.isError ? "bad" : "good"}>
          {isUp}
        </Tile>
        <Tile title={words.market} tone={links.market.kind === "open" ? "good" : "bad"}>
          {t.shell.links[links.market.kind]}
        </Tile>
        <Tile
          title={words.user}
          hint={isSignedIn ? undefined : words.userHint}
          tone={toneOfUser(isSignedIn, links.user.kind)}
        >
          {isSignedIn ? t.shell.links[links.user.kind] : words.unknown}
        </Tile>
        <Tile title={words.sequence} hint={words.sequenceHint}>
          {links.sequence ?? (isSignedIn ? words.unknown : words.signedOut)}
        </Tile>
        <Tile title={words.latency} hint={words.latencyHint}>
          {links.latencyMs === null ? words.unknown : t.shell.links.latency(links.latencyMs.toFixed(1))}
        </Tile>
        <Tile title={words.clock} hint={words.clockHint}>
          {clock.data === undefined ? words.unknown : t.shell.links.latency(clock.data.toFixed(0))}
        </Tile>
        <Tile title={words.resyncs} hint={words.resyncsHint}>
          {links.resyncs}
        </Tile>
      </dl>
      <MarketStates />
    </div>
  );
}

const toneOfUser = (isSignedIn: boolean, kind: string): Tone =>
  !isSignedIn ? "" : kind === "open" ? "good" : "bad";

type Tone = "" | "good" | "bad";

interface TileProps {
  title: string;
  children: ReactNode;
  hint?: string | undefined;
  tone?: Tone;
}

function Tile({ title, children, hint, tone = "" }: TileProps) {
  return (
    <div className="tile">
      <dt>{title}</dt>
      <dd className={`value ${tone === "good" ? "up" : tone === "bad" ? "down" : ""}`}>{children}</dd>
      {hint !== undefined && <dd className="hint">{hint}</dd>}
    </div>
  );
}

function MarketStates() {
  const { data = [] } = useMarkets();
  return (
    <section className="card">
      <h2>{words.markets}</h2>
      <table className="table">
        <tbody>
          {data.map((market) => (
            <tr key={market.symbol}>
              <th scope="row">{`${market.base}/${market.quote}`}</th>
              <td className="number">
                <span className={market.isOpen ? "tag good" : "tag warn"}>
                  {market.isOpen ? words.marketOpen : words.marketHalted}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
