import { describe, expect, it } from 'vitest'
import { replayTimes } from '../../../src/providers/kit/client/replay-times.ts'
import {
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../src/providers/mailchimp.ts'
import { preset as anthropic } from '../../../src/providers/presets/anthropic.ts'
import { preset as openai } from '../../../src/providers/presets/openai.ts'
import { preset as stripe } from '../../../src/providers/presets/stripe.ts'
import { preset as twilio } from '../../../src/providers/presets/twilio.ts'

describe('the attempt timeout of a preset', () => {
  it.each([
    ['Mailchimp Marketing', mailchimp, 120_000],
    ['Mailchimp Transactional', transactional, 300_000],
    // those of their own SDKs
    ['Stripe', stripe, 80_000],
    ['OpenAI', openai, 600_000],
    ['Anthropic', anthropic, 600_000],
    ['Twilio', twilio, 30_000],
  ])('is longer than the own limit of %s, so that a slow answer is one', (_title, preset, own) => {
    expect(preset.attemptTimeoutMs).toBeGreaterThan(own)
    expect(preset.totalTimeoutMs).toBeGreaterThan(preset.attemptTimeoutMs)
  })

  it('leaves Mailchimp time for two attempts that hang, and for no third', () => {
    const { initialBackoffMs = 0 } = mailchimp.retry
    const two = 2 * mailchimp.attemptTimeoutMs
    expect(mailchimp.totalTimeoutMs).toBeGreaterThanOrEqual(two + initialBackoffMs)
    // equal jitter: at least the half of each wait
    expect(mailchimp.totalTimeoutMs).toBeLessThanOrEqual(two + initialBackoffMs / 2 + initialBackoffMs)
  })
})

describe('the time of a replay', () => {
  it('is longer than an attempt, and its lease longer than that', () => {
    for (const { attemptTimeoutMs } of [mailchimp, transactional]) {
      const { timeoutMs = 0, leaseMs = 0 } = replayTimes(attemptTimeoutMs, {})
      expect(timeoutMs).toBeGreaterThan(attemptTimeoutMs)
      expect(leaseMs).toBeGreaterThan(timeoutMs + 100)
    }
    expect(replayTimes(undefined, {})).toEqual({ timeoutMs: 30_000, leaseMs: 60_000 })
  })

  it('is the one that is given', () => {
    expect(replayTimes(305_000, { timeoutMs: 5 })).toEqual({})
    expect(replayTimes(305_000, { leaseMs: 500 })).toEqual({})
  })
})
