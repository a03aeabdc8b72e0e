import type { Network, WalletAsset } from "../../selectors/wallet";
import { t } from "../../strings";

export interface Chosen {
  asset: WalletAsset;
  network: Network;
}

/** What was chosen, or the first asset and its usual network. */
export function resolve(assets: readonly WalletAsset[], asset: string, network: string): Chosen | null {
  const found = assets.find((one) => one.asset === asset) ?? assets[0];
  const way =
    found?.networks.find((one) => one.network === network) ??
    found?.networks.find(({ isDefault }) => isDefault) ??
    found?.networks[0];
  return found === undefined || way === undefined ? null : { asset: found, network: way };
}

interface Props {
  assets: readonly WalletAsset[];
  chosen: Chosen;
  onChoice: (asset: string, network: string) => void;
}

export function NetworkChoice({ assets, chosen, onChoice }: Props) {
  return (
    <div className="columns">
      <label className="field">
        <span className="field-label">{t.wallet.asset}</span>
        <select
          className="select"
          value={chosen.asset.asset}
          onChange={(event) => onChoice(event.target.value, "")}
        >
          {assets.map(({ asset, name }) => (
            <option key={asset} value={asset}>
              {name === asset ? asset : `${asset} · ${name}`}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span className="field-label">{t.wallet.network}</span>
        <select
          className="select"
          value={chosen.network.network}
          onChange={(event) => onChoice(chosen.asset.asset, event.target.value)}
        >
          {chosen.asset.networks.map(({ network, name }) => (
            <option key={network} value={network}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
