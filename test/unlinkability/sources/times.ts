/** Numbers are read as times only within these years, in seconds or in milliseconds of Unix time. */
const from = Date.UTC(2024, 0, 1);
const until = Date.UTC(2040, 0, 1);

/** ISO 8601, and as PostgreSQL and log files write it; without an offset in UTC, which all our servers use. */
const iso =
  /(?<!\d)(20[23]\d-[01]\d-[0-3]\d)(?:[T ]([0-2]\d:[0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?(?: ?(Z|UTC|[+-][01]\d(?::?\d\d)?))?)?(?![\d-])/g;
const digits = /(?<![\w.-])(\d{10}|\d{13})(?:\.(\d+))?(?![\w-])/g;

/** Unix milliseconds if the number is a plausible time in seconds or milliseconds. */
export function timeOfNumber(value: number): number | undefined {
  return [value, value * 1000].find((ms) => ms >= from && ms < until);
}

/** A UUID of version 7 begins with its time, in milliseconds (RFC 9562 §5.7). */
const uuidWithTime = /(?<![\da-f])([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}(?![\da-f])/gi;

/**
 * All times in a text, as Unix milliseconds: ISO 8601 with any precision, epoch seconds and milliseconds, and UUIDs of version 7.
 */
export function timesIn(text: string): number[] {
  return [...plainTimesIn(text), ...uuidTimesIn(text)];
}

function uuidTimesIn(text: string): number[] {
  const found = [...text.matchAll(uuidWithTime)];
  return found.map(([, high, low]) => timeOfNumber(parseInt(`${high}${low}`, 16))).filter((ms) => ms !== undefined);
}

function plainTimesIn(text: string): number[] {
  if (!/\d{10}|20[23]\d-/.test(text)) return [];
  const written = [...text.matchAll(iso)].map(msOf);
  const counted = [...text.matchAll(digits)].map(([number]) => timeOfNumber(Number(number)));
  return [...written, ...counted].filter((ms) => ms !== undefined);
}

function msOf([, day, minute = '00:00', second = '00', fraction = '', zone = 'Z']: RegExpMatchArray):
  number | undefined {
  const offset =
    zone === 'UTC'
      ? 'Z'
      : zone.replace(/^([+-]\d\d):?(\d\d)?$/, (_, hours: string, minutes = '00') => `${hours}:${minutes}`);
  const ms = Date.parse(`${day}T${minute}:${second}${offset}`) + Number(`0.${fraction || '0'}`) * 1000;
  return Number.isNaN(ms) ? undefined : ms;
}
