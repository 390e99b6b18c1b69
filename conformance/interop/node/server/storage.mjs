// What node-oidc-provider keeps, in memory: all of it, where its own forgets what
// is older than the last thousand. The interface is its example/my_adapter.js.
// A wrong one does not note that a token was used.
export const storage = (stored, wrong) => class {
  constructor(model) {
    this.model = model
  }

  key(id) {
    return this.model + ':' + id
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload)
  }

  async find(id) {
    return stored.get(this.key(id))
  }

  async findByUid(uid) {
    return [...stored.values()].find((payload) => payload.uid === uid)
  }

  async findByUserCode(code) {
    return [...stored.values()].find((payload) => payload.userCode === code)
  }

  async consume(id) {
    if (!wrong) {
      stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000)
    }
  }

  async destroy(id) {
    stored.delete(this.key(id))
  }

  async revokeByGrantId(grant) {
    for (const [key, payload] of stored) {
      if (payload.grantId === grant) {
        stored.delete(key)
      }
    }
  }
}
