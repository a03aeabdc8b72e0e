/** Times as people read them, in their own zone. */

const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat("en-GB", {
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const wholeDay = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit" });

export const clock = (milliseconds: number): string => timeOfDay.format(milliseconds);
export const moment = (milliseconds: number): string => dayAndTime.format(milliseconds);
export const day = (time: number | string): string => wholeDay.format(new Date(time));
export const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();
