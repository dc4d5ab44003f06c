export interface SendGridAddress {
  email: string
  name?: string
}

export interface SendGridPersonalization {
  to: SendGridAddress[]
  cc?: SendGridAddress[]
  bcc?: SendGridAddress[]
  subject?: string
  dynamic_template_data?: Record<string, unknown>
  custom_args?: Record<string, string>
  send_at?: number
}

/** The body of `POST /v3/mail/send`; fields that are not named here are sent as they are. */
export interface SendGridMessage {
  /** At most 1,000 recipients in all. */
  personalizations: SendGridPersonalization[]
  from: SendGridAddress
  reply_to?: SendGridAddress
  subject?: string
  content?: { type: string; value: string }[]
  template_id?: string
  attachments?: {
    content: string
    filename: string
    type?: string
    disposition?: string
    content_id?: string
  }[]
  categories?: string[]
  custom_args?: Record<string, string>
  send_at?: number
  /** `sandbox_mode` validates the mail and sends nothing. */
  mail_settings?: { sandbox_mode?: { enable: boolean }; [setting: string]: unknown }
  [field: string]: unknown
}

export interface SendGridContact {
  email: string
  first_name?: string
  last_name?: string
  external_id?: string
  custom_fields?: Record<string, string | number>
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
