exports.required = {
  root: require('undici-resilience'),
  redis: require('undici-resilience/redis'),
  sqlite: require('undici-resilience/sqlite'),
  postgres: require('undici-resilience/postgres'),
  pino: require('undici-resilience/pino'),
  hubspot: require('undici-resilience/providers/hubspot'),
  contracts: require('undici-resilience/testing/contracts'),
}
