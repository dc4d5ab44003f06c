import { presetCases } from '../../support/providers/preset-cases.ts'
import { runContract } from '../../support/providers/run-contract.ts'

runContract(presetCases)
