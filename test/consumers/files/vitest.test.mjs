import * as undici from 'undici'
import { afterEach, beforeEach, describe, it } from 'vitest'
import * as imported from './imported.mjs'
import { required } from './required.cjs'
import { suite } from './suite.cjs'

suite({ afterEach, beforeEach, describe, it }, { ...imported }, required, undici)
