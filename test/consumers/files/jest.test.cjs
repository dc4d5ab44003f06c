// Jest in its default configuration has a `require` of its own, and nothing else
const { required } = require('./required.cjs')
const { suite } = require('./suite.cjs')

suite({ afterEach, beforeEach, describe, it }, required, required, require('undici'))
