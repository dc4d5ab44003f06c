import { afterEach, beforeEach, describe, it } from 'mocha'
import * as undici from 'undici'
import * as imported from './imported.mjs'
import { required } from './required.cjs'
import { suite } from './suite.cjs'

suite({ afterEach, beforeEach, describe, it }, { ...imported }, required, undici)
