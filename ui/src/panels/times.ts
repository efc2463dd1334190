// When something was, as a writer says it.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

/** "14:05" for today, "3 Mar, 14:05" for this year, with the year before that. */
export function when(time: string, now = new Date()): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const clock = CLOCK.format(date);
  if (date.toDateString() === now.toDateString()) return clock;
  return `${(date.getFullYear() === now.getFullYear() ? DAY : YEAR).format(date)}, ${clock}`;
}
