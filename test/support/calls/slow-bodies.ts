const MIB = 1024 * 1024
const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'
const PARTS_TYPE = 'multipart/form-data; boundary=b'

/** A secret in each of the bodies that have one. */
export const SECRET = 's3cr3t-value'

/** As many units as go into one MiB, and a little room. */
const full = (unit: string, bytes = MIB - 100): string => unit.repeat(Math.floor(bytes / unit.length))
const each = (unit: (i: number) => string, count: number): string =>
  Array.from({ length: count }, (_, i) => unit(i)).join('')
const members = (units: string): string => `{${units}"password":"${SECRET}"}`
const list = (units: string): string => `[${units}{"password":"${SECRET}"}]`
const form = (units: string): string => `${units}password=${SECRET}`
const parts = (units: string): string =>
  `${units}--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${SECRET}\r\n--b--`
const url = (rest: string): string => list(`"https://a.example/${rest}",`)
const disposition = (name: string): string => `--b\r\nContent-Disposition: form-data; ${name}\r\n\r\nx\r\n`

/**
 * Bodies that are made to take long: each kind of work that is done for one, as often as it goes into a body.
 */
export const slowBodies: Record<string, readonly [text: string, type: string]> = {
  'short members': [members(full('"a":1,')), JSON_TYPE],
  'short texts': [members(full('"a":"b:",')), JSON_TYPE],
  numbers: [list(full('1,')), JSON_TYPE],
  texts: [list(full('"a",')), JSON_TYPE],
  'secrets only': [members(full('"token":"x",')), JSON_TYPE],
  labels: [list(full('{"name":"password","value":"x"},')), JSON_TYPE],
  'labels of containers': [list(full('{"name":"password","value":{"a":"x"}},')), JSON_TYPE],
  'labels in labels': [
    list(full(`${'{"name":"token","value":'.repeat(490)}"x"${'}'.repeat(490)},`)),
    JSON_TYPE,
  ],
  'escaped names': [members(full('"\\u0061":1,')), JSON_TYPE],
  'malformed escapes': [members(full('"\\q":1,')), JSON_TYPE],
  'names with a word in them': [members(each((i) => `"tokenizer${i}":1,`, 40_000)), JSON_TYPE],
  'long names with words in them': [
    members(each((i) => `"${'a.token[at]'.repeat(22)}${i}":1,`, 1_990)),
    JSON_TYPE,
  ],
  'one name of words': [members(`"${full('aTokenAt')}":1,`), JSON_TYPE],
  'escaped quotes': [members(`"a":"${full('\\"')}",`), JSON_TYPE],
  'quotes that never end': [`{"${full('\\"')}`, JSON_TYPE],
  'documents inside': [list(full(`${JSON.stringify(`{"token":"${SECRET}"}`)},`)), JSON_TYPE],
  'a document inside, of half its length': [
    members(`"a":${JSON.stringify(members(full('"b":1,', MIB / 4)))},`),
    JSON_TYPE,
  ],
  'empty objects': [list(full('{},')), JSON_TYPE],
  'deep objects': [list(full(`${'{"a":'.repeat(490)}1${'}'.repeat(490)},`)), JSON_TYPE],
  'a document too deep': [`${'['.repeat(MIB - 100)}{"password":"${SECRET}"}`, JSON_TYPE],
  'four megabytes of JSON': [members(`"filler":"${'x'.repeat(4 * MIB)}",`), JSON_TYPE],
  urls: [list(full('"https://a.example/b?c=1",')), JSON_TYPE],
  'a url of parts': [url(full('a/')), JSON_TYPE],
  'a url of matrix parameters': [url(full(';a=1')), JSON_TYPE],
  'a url of parameters': [url(`?${full('a=1&')}`), JSON_TYPE],
  'a url of names': [url(full('token/a2345678/')), JSON_TYPE],
  'a url that begins a token again and again': [url(full('eyJ')), JSON_TYPE],
  'a url of half tokens': [url(full('eyJaaaaaa.eyJaaaaaa/')), JSON_TYPE],
  'a url of webhooks': [url(full('services/T1/B')), JSON_TYPE],
  'a form of ampersands': [form(full('&')), FORM_TYPE],
  'a form without values': [form(full('aa&')), FORM_TYPE],
  'a form of pairs': [form(full('a=b&')), FORM_TYPE],
  'a form of 100,000 fields': [form(each((i) => `f${i}=1&`, 100_000)), FORM_TYPE],
  'a form of escapes': [form(full('%61=b&')), FORM_TYPE],
  'a form of malformed escapes': [form(full('%zz%61=b&')), FORM_TYPE],
  'a form of semicolons': [form(`a=1${full(';b=1')}&`), FORM_TYPE],
  'a form of bytes that are no text': [form(full('%ff=b&')), FORM_TYPE],
  'a form of one escaped document': [form(`a=%7b${full('%22')}&`), FORM_TYPE],
  'a form of urls': [form(full('a=https://b/c&')), FORM_TYPE],
  'a form of one name of brackets': [form(`${full('a[b]')}=1&`), FORM_TYPE],
  'four megabytes of a form': [form(`filler=${'x'.repeat(4 * MIB)}&`), FORM_TYPE],
  'parts without anything': [parts(full('--b\r\n\r\n')), PARTS_TYPE],
  'four megabytes of small parts': [parts(full(disposition('name="a"'), 4 * MIB)), PARTS_TYPE],
  'parts with names that are no text': [parts(full(disposition("name*=UTF-8''%ff"))), PARTS_TYPE],
  'a part of headers': [parts(`--b\r\n${full('a: b\r\n', 4 * MIB)}\r\nx\r\n`), PARTS_TYPE],
  'a part with a name of megabytes': [parts(disposition(`name="${'x'.repeat(4 * MIB)}"`)), PARTS_TYPE],
  'requests inside requests': [
    parts(`--b\r\n${full('Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n')}\r\n`),
    PARTS_TYPE,
  ],
  'parts that are documents': [
    parts(full('--b\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n')),
    PARTS_TYPE,
  ],
}
