import { cases } from '../../support/providers/cases.ts'
import { runContract } from '../../support/providers/run-contract.ts'

runContract(cases)
