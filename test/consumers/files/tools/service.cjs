// What is tested: an application that asks a provider through the stack.
const { Agent, fetch } = require('undici')
const { resilience } = require('undici-resilience')

/** @param dispatcher a `MockAgent` in tests */
exports.contactsApi = (dispatcher = new Agent(), options = {}) => {
  const stack = resilience({ integration: 'contacts', ...options })
  const composed = dispatcher.compose(stack)
  return {
    stack,
    find: async (id) => {
      const answer = await fetch(`https://api.example.com/contacts/${id}`, { dispatcher: composed })
      return answer.status
    },
  }
}

// no backoff that a test would wait for, and a circuit that opens at the first failure and refuses at once
exports.quick = {
  retry: { initialBackoffMs: 1, maxAttempts: 3 },
  circuitBreaker: {
    failureThreshold: 3,
    failureRate: 0,
    minimumRequests: 1,
    timeoutMs: 30_000,
    maxWaitMs: 0,
  },
}
