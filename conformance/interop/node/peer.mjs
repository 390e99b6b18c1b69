// What the scripts share: their task is one line of JSON on standard input,
// what they found out is one line of JSON on standard output.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** The task: issuer, api, audience, client_id, client_secret, method, username, password. */
export const task = JSON.parse((await lines.next()).value)

/** Returns when the server signs with another key than before. */
export async function rotation() {
  console.log('rotate')
  if ((await lines.next()).done) throw new Error('nobody rotated')
}

/** How a refused promise was refused; what was not refused is a finding, too. */
export async function refusal(promise, describe) {
  try {
    await promise
    return 'accepted'
  } catch (error) {
    return `${error.constructor.name} ${describe(error)}`
  }
}

export function report(findings) {
  console.log(JSON.stringify(findings))
}
