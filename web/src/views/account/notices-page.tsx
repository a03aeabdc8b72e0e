import {
  type Preference,
  useChangePreference,
  useMarkRead,
  useNoticePreferences,
  useNotices,
} from "../../selectors/account";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { moment } from "../parts/time";

const words = t.account.notices;

export function NoticesPage() {
  const notices = useNotices();
  const mark = useMarkRead();
  const newest = notices.data?.notices[0];
  return (
    <>
      <section className="card">
        <div className="card-head">
          <h2>{words.title}</h2>
          {newest !== undefined && (notices.data?.unread ?? 0) > 0 && (
            <button type="button" className="button small" onClick={() => void mark.run(newest.noticeId)}>
              {words.markRead}
            </button>
          )}
        </div>
        <QueryView query={notices} failed={words.failed}>
          {({ notices: rows }) =>
            rows.length === 0 ? (
              <p className="muted">{words.none}</p>
            ) : (
              <ul className="notice-list">
                {rows.map((notice) => (
                  <li key={notice.noticeId} className={notice.readAt === null ? "unread" : ""}>
                    <h3>{notice.title}</h3>
                    <time className="hint" dateTime={notice.occurredAt}>
                      {moment(Date.parse(notice.occurredAt))}
                    </time>
                    <p className="muted">{notice.text}</p>
                  </li>
                ))}
              </ul>
            )
          }
        </QueryView>
      </section>
      <Preferences />
    </>
  );
}

function Preferences() {
  const query = useNoticePreferences();
  const change = useChangePreference();
  return (
    <section className="card">
      <h2>{words.preferences}</h2>
      <RefusalText error={change.error} />
      <QueryView query={query} failed={words.failed}>
        {({ preferences, channels }) => (
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          <div className="scroll" tabIndex={0} role="region" aria-label={words.preferences}>
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">{words.kind}</th>
                  {channels.map((channel) => (
                    <th key={channel} scope="col">
                      {words.channelOf[channel] ?? channel}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {[...new Set(preferences.map(({ kind }) => kind))].map((kind) => (
                  <tr key={kind}>
                    <th scope="row">{humanize(kind)}</th>
                    {channels.map((channel) => (
                      <td key={channel}>
                        <Toggle
                          preference={preferences.find((one) => one.kind === kind && one.channel === channel)}
                          onChange={(enabled) => void change.run(kind, channel, enabled)}
                        />
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </QueryView>
    </section>
  );
}

interface ToggleProps {
  preference: Preference | undefined;
  onChange: (enabled: boolean) => void;
}

function Toggle({ preference, onChange }: ToggleProps) {
  if (preference === undefined) return null;
  const channel = words.channelOf[preference.channel] ?? preference.channel;
  return (
    <label className="check" title={preference.fixed ? words.fixed : undefined}>
      <input
        type="checkbox"
        checked={preference.enabled}
        disabled={preference.fixed}
        aria-label={words.toggle(humanize(preference.kind), channel)}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}
