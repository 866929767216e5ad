/** Attacks by connections alone: they take the places of those who have something to ask. */
import { connect, type Socket } from 'node:net'
import { type Attack, Crowd } from './attack.ts'

/** A listener of the field `few-places` has 50. */
const MANY = 60

const idle: Attack = {
  name: '60 idle connections or more, where there are 50 places',
  enough: 200,
  field: 'few-places',
  start(target, connections) {
    return new Crowd(target, Math.max(MANY, connections), { ready: () => target.count(1) }).stop
  },
}

/** They connect, and do not say a word. */
const mute: Attack = {
  name: 'connections without a word, 60 or more where there are 50 places',
  enough: 200,
  field: 'few-places',
  start(target, connections) {
    const sockets = new Set<Socket>()
    let over = false
    const join = (): void => {
      if (over) return
      const socket = connect({ port: target.port, host: '127.0.0.1' }, () => target.count(1))
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        if (over) return
        target.lost()
        setTimeout(join, 50)
      })
    }
    for (let at = 0; at < Math.max(MANY, connections); at++) join()
    return () => {
      over = true
      for (const socket of sockets) socket.destroy()
    }
  },
}

export const PLACES: readonly Attack[] = [idle, mute]
