export interface SendGridAddress {
  email: string
  name?: string | undefined
}

export interface SendGridPersonalization {
  to: SendGridAddress[]
  cc?: SendGridAddress[] | undefined
  bcc?: SendGridAddress[] | undefined
  subject?: string | undefined
  dynamic_template_data?: Record<string, unknown> | undefined
  custom_args?: Record<string, string> | undefined
  send_at?: number | undefined
}

/** The body of `POST /v3/mail/send`; fields that are not named here are sent as they are. */
export interface SendGridMessage {
  /** At most 1,000 recipients in all. */
  personalizations: SendGridPersonalization[]
  from: SendGridAddress
  reply_to?: SendGridAddress | undefined
  subject?: string | undefined
  content?: { type: string; value: string }[] | undefined
  template_id?: string | undefined
  attachments?:
    | {
        content: string
        filename: string
        type?: string | undefined
        disposition?: string | undefined
        content_id?: string | undefined
      }[]
    | undefined
  categories?: string[] | undefined
  custom_args?: Record<string, string> | undefined
  send_at?: number | undefined
  /** `sandbox_mode` validates the mail and sends nothing. */
  mail_settings?: { sandbox_mode?: { enable: boolean } | undefined; [setting: string]: unknown } | undefined
  [field: string]: unknown
}

export interface SendGridContact {
  email: string
  first_name?: string | undefined
  last_name?: string | undefined
  external_id?: string | undefined
  custom_fields?: Record<string, string | number> | undefined
  [field: string]: unknown
}

/** A marketing contact as SendGrid has it. */
export interface SendGridFoundContact {
  id: string
  email: string
  first_name?: string
  last_name?: string
  list_ids?: string[]
  [field: string]: unknown
}

export interface SendGridList {
  id: string
  name: string
  contact_count: number
}

export interface SendGridValidation {
  email: string
  verdict: 'Valid' | 'Risky' | 'Invalid'
  /** 0 to 1. */
  score: number
  /** What the address may have been meant to be. */
  suggestion?: string
  [field: string]: unknown
}
