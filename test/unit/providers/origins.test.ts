import { Agent, type Dispatcher, request } from 'undici'
import { describe, expect, it } from 'vitest'
import { cases } from '../../support/providers/cases.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

/** The origins that an Agent lets requests go to when no `baseUrl` is given. */
const origins: Record<string, string[]> = {
  hubspot: ['https://api.hubapi.com', 'https://api-eu1.hubapi.com'],
  calendly: ['https://api.calendly.com'],
  acuity: ['https://acuityscheduling.com'],
  'cal-com': ['https://api.cal.com', 'https://api.cal.eu'],
  sendgrid: ['https://api.sendgrid.com', 'https://api.eu.sendgrid.com'],
  mailchimp: ['https://us6.api.mailchimp.com', 'https://us21.api.mailchimp.com'],
  'mailchimp-transactional': ['https://mandrillapp.com'],
  stripe: ['https://api.stripe.com', 'https://files.stripe.com'],
  openai: ['https://api.openai.com', 'https://eu.api.openai.com'],
  anthropic: ['https://api.anthropic.com'],
  slack: ['https://slack.com', 'https://files.slack.com'],
  resend: ['https://api.resend.com'],
  twilio: [
    'https://api.twilio.com',
    'https://api.dublin.ie1.twilio.com',
    'https://verify.twilio.com',
    'https://flex-api.twilio.com',
  ],
  github: ['https://api.github.com', 'https://uploads.github.com'],
}

/** Says where a request would go, and sends nothing. */
class Nowhere extends Agent {
  override dispatch(options: Dispatcher.DispatchOptions): boolean {
    throw new Error(`would go to ${String(options.origin)}`)
  }
}

describe.each([...cases, ...presetCases].map((one) => [one.title, one] as const))(
  'an Agent of %s',
  (_title, one) => {
    const going = async (origin: string) => {
      const agent = one.agent({ dispatcher: new Nowhere(), retry: false, deadLetter: false })
      const error: unknown = await request(`${origin}/x`, { dispatcher: agent }).catch(
        (thrown: unknown) => thrown,
      )
      await agent.close()
      return (error as Error).message
    }

    it('lets requests go to the origins of its provider, regions among them', async () => {
      for (const origin of origins[one.integration] ?? []) {
        expect(await going(origin)).toBe(`would go to ${origin}`)
      }
      expect(origins[one.integration]?.length).toBeGreaterThan(0)
    })

    it('lets none go to an origin that only looks like them', async () => {
      for (const origin of origins[one.integration] ?? []) {
        for (const other of [
          `${origin}.evil.example`,
          origin.replace('https://', 'https://evil-'),
          origin.replace('https:', 'http:'),
          `${origin}:8443`,
          origin.replaceAll('.', '-') + '.example',
        ]) {
          const said = await going(other)
          expect(said, other).toContain('this Agent is for')
          expect(said).toContain('for a fake or a proxy of it give `baseUrl`')
        }
      }
    })
  },
)
