import type { IncomingHttpHeaders } from 'node:http'

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Names of zones (RFC 5322, 4.3), in hours. Others are not guessed at: one name means several zones. */
const zones: Readonly<Record<string, number>> = {
  '': 0,
  z: 0,
  gmt: 0,
  utc: 0,
  ut: 0,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
}

const time = String.raw`(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?`

/** RFC 9110, 5.6.7: IMF-fixdate and the obsolete form of RFC 850; also with one digit, without a weekday, in other zones. */
const imfDate = new RegExp(
  String.raw`^(?:[a-z]{3,9},? +)?(\d{1,2})[ -]([a-z]{3})[ -](\d{4}|\d{2}) +${time} *([a-z]{1,4}|[+-]\d{2}:?\d{2})?$`,
  'i',
)
/** RFC 9110, 5.6.7: that of C's asctime(). */
const asctimeDate = new RegExp(String.raw`^[a-z]{3} +([a-z]{3}) +(\d{1,2}) +${time} +(\d{4})$`, 'i')
/** RFC 3339, also without a zone: then UTC, as everything here. */
const isoDate = new RegExp(String.raw`^(\d{4})-(\d{2})-(\d{2})[t ]${time} *(z|[+-]\d{2}:?\d{2})?$`, 'i')

/** A moment in any form that servers write one, in epoch milliseconds; `undefined` for what is none. Never throws. */
export function parseDate(text: string): number | undefined {
  let parts = imfDate.exec(text)
  if (parts !== null) {
    const [, day, month, year, hour, minute, second, fraction, zone] = parts
    return moment(fullYear(year!), monthOf(month!), day!, [hour!, minute!, second!], fraction, zone)
  }
  parts = asctimeDate.exec(text)
  if (parts !== null) {
    const [, month, day, hour, minute, second, fraction, year] = parts
    return moment(Number(year), monthOf(month!), day!, [hour!, minute!, second!], fraction, undefined)
  }
  parts = isoDate.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = parts
  return moment(Number(year), Number(month) - 1, day!, [hour!, minute!, second!], fraction, zone)
}

/**
 * What the clock of the server showed when it answered, in epoch milliseconds: its `Date` header tells. A moment that it
 * names is one of that clock. `now` where it does not tell.
 */
export function serverTime(headers: IncomingHttpHeaders, now: number): number {
  const { date } = headers
  return (typeof date === 'string' ? parseDate(date.trim()) : undefined) ?? now
}

/** RFC 850 has two digits: those of a year that is far in the future are of the last century. */
function fullYear(digits: string): number {
  const year = Number(digits)
  if (digits.length === 4) return year
  return year + (year < 70 ? 2000 : 1900)
}

function monthOf(name: string): number {
  return months.indexOf(name.toLowerCase())
}

function moment(
  year: number,
  month: number,
  dayText: string,
  clock: readonly [hour: string, minute: string, second: string],
  fraction: string | undefined,
  zone: string | undefined,
): number | undefined {
  const [hour, minute, second] = clock.map(Number) as [number, number, number]
  const day = Number(dayText)
  const offset = offsetMinutes(zone ?? '')
  // 60: a leap second
  if (offset === undefined || hour > 23 || minute > 59 || second > 60) return undefined
  const midnight = new Date(0)
  // not Date.UTC, which takes the years 0 to 99 for those of the last century
  midnight.setUTCFullYear(year, month, day)
  if (midnight.getUTCMonth() !== month || midnight.getUTCDate() !== day) return undefined
  const milliseconds = fraction === undefined ? 0 : Math.ceil(Number(fraction) * 1000)
  return midnight.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds
}

function offsetMinutes(zone: string): number | undefined {
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? []
  if (sign !== undefined) {
    const valid = Number(hours) < 24 && Number(minutes) < 60
    return valid ? (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1) : undefined
  }
  const name = zone.toLowerCase()
  return Object.hasOwn(zones, name) ? zones[name]! * 60 : undefined
}
