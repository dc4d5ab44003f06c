import type { Classify, InspectBodyOptions } from '../../../classification/options.ts'
import { answersLater, defined } from '../../../options.ts'
import type { ProviderOptions } from '../agent/provider.ts'
import type { ProviderPreset } from './preset.ts'

/**
 * The preset with the application's options laid over it, field by field.
 *
 * `retry`, `rateLimit`, `circuitBreaker` and `deadLetter` are merged one level deep; `false` turns the layer off. Lists of secrets
 * (`deadLetter.redact`) and of inspected statuses grow, they are never replaced: an option cannot uncover a secret by
 * accident. A `classify` of the application is asked first; where it returns `undefined`, the preset's answers.
 */
export function mergeOptions(preset: ProviderPreset, options: ProviderOptions): ProviderOptions {
  const { retry, rateLimit, circuitBreaker, deadLetter, classify, inspectBody, ...rest } = options
  return {
    ...preset,
    ...defined(rest),
    retry: layer(preset.retry, retry),
    rateLimit: layer(preset.rateLimit, rateLimit),
    circuitBreaker: layer(preset.circuitBreaker, circuitBreaker),
    deadLetter:
      deadLetter === false
        ? false
        : { ...layer(preset.deadLetter, deadLetter), ...redaction(preset.deadLetter, deadLetter) },
    classify: classifiers(preset.classify, classify),
    inspectBody: inspection(preset.inspectBody, inspectBody),
  }
}

function layer<T extends object>(preset: T, own: T | false | undefined): T | false {
  if (own === undefined || own === false) return own ?? preset
  return { ...preset, ...defined(own) }
}

type DeadLetterOptions = ProviderPreset['deadLetter']

function redaction(
  preset: DeadLetterOptions,
  own: DeadLetterOptions | undefined,
): Pick<DeadLetterOptions, 'redact'> {
  const ofPreset = preset.redact
  const ofOwn = own?.redact
  if (ofPreset === undefined || ofOwn === undefined) {
    const redact = ofOwn ?? ofPreset
    return redact === undefined ? {} : { redact }
  }
  const body = ofOwn.body === false ? false : [...(ofPreset.body || []), ...(ofOwn.body ?? [])]
  return {
    redact: {
      headers: [...(ofPreset.headers ?? []), ...(ofOwn.headers ?? [])],
      keepHeaders: [...(ofPreset.keepHeaders ?? []), ...(ofOwn.keepHeaders ?? [])],
      query: [...(ofPreset.query ?? []), ...(ofOwn.query ?? [])],
      ...(ofOwn.path === undefined ? {} : { path: ofOwn.path }),
      body,
    },
  }
}

function classifiers(preset: Classify, own: Classify | undefined): Classify {
  // what is no hook is handed on, for the stack to refuse it by name
  if (typeof own !== 'function' || answersLater(own)) return own ?? preset
  return (response) => own(response) ?? preset(response)
}

function inspection(preset: InspectBodyOptions, own: InspectBodyOptions | undefined): InspectBodyOptions {
  if (own === undefined || !Array.isArray(own.statusCodes)) return own ?? preset
  return {
    ...preset,
    ...defined(own),
    statusCodes: [...preset.statusCodes, ...(own.statusCodes as readonly number[])],
  }
}
