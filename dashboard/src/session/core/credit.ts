// Flow control: how much DATA may still be sent, and how much the peer may still send. Limits are
// absolute counts from the beginning, so that a lost order of events can't skew them.

/** The window of a stream at the start, in bytes. */
export const STREAM_WINDOW = 262_144;
/** The window of a session at the start, over all streams. */
export const SESSION_WINDOW = 4_194_304;
/** Credit is below this. */
const CREDIT_END = 2n ** 53n;
const MOST = Number.MAX_SAFE_INTEGER;

/** The peer's credit breaks a rule, or it sent beyond ours. */
export class CreditError extends Error {
  override readonly name = "CreditError";
}

/** What we may send. */
export class SendWindow {
  #used = 0;

  private limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get available(): number {
    return this.limit - this.#used;
  }

  /** Sets bytes aside; the caller has looked at `available`. */
  reserve(bytes: number): void {
    this.#used += bytes;
  }

  /** Gives back what was reserved and will never be sent. */
  release(bytes: number): void {
    this.#used -= bytes;
  }

  /** Takes the peer's CREDIT; says whether the limit rose. */
  raise(limit: bigint): boolean {
    if (limit >= CREDIT_END) throw new CreditError("a CREDIT is not below 2^53");
    const next = Number(limit);
    if (next < this.limit) throw new CreditError("a CREDIT falls");
    const rose = next > this.limit;
    this.limit = next;
    return rose;
  }
}

/** A reader that takes in half a window within this time, in milliseconds, is fast: on a path whose
 * round trip is up to twice as long, the sender may have been waiting for credit. */
const FAST = 75;

/** What the peer may send. */
export class ReceiveWindow {
  #limit: number;
  #received = 0;
  #consumed = 0;
  #window: number;
  #paced: { readonly at: number; readonly consumed: number } | undefined;

  constructor(window: number) {
    this.#limit = window;
    this.#window = window;
  }

  /** How far the peer may send ahead. */
  get window(): number {
    return this.#window;
  }

  get received(): number {
    return this.#received;
  }

  /** Counts arriving bytes. */
  receive(bytes: number): void {
    if (bytes > this.#limit - this.#received) {
      throw new CreditError("the peer sent more than it had credit for");
    }
    this.#received += bytes;
  }

  /** Counts bytes that were dealt with; never more than arrived. */
  consume(bytes: number): void {
    this.#consumed = Math.min(this.#consumed + bytes, this.#received);
  }

  /** Lets the peer send further ahead from the next CREDIT on; never less far than before. */
  widen(window: number): void {
    this.#window = Math.max(this.#window, window);
  }

  /** Whether half the window was taken in fast, since that was looked at last. Asked before each
   * grant, so that the pace is known. */
  isFast(now: number): boolean {
    this.#paced ??= { at: now, consumed: this.#consumed };
    const { at, consumed } = this.#paced;
    if (this.#consumed - consumed < this.#window / 2) return false;
    this.#paced = { at: now, consumed: this.#consumed };
    return now - at <= FAST;
  }

  /** Whether a CREDIT is worth its bytes: it gives back half the window, or at least as much as the
   * peer has left (and a 64th of the window while it has something left). Without the second,
   * readers that stand still could hold so much that the others never give half of it back. */
  get isDue(): boolean {
    const gain = this.#next - this.#limit;
    const left = this.#limit - this.#received;
    if (left === 0) return gain > 0;
    const least = Math.max(Math.floor(this.#window / 64), 1);
    const most = Math.max(Math.floor(this.#window / 2), 1);
    return gain >= Math.min(Math.max(left, least), most);
  }

  /** The limit to tell the peer now. */
  grant(): number {
    this.#limit = this.#next;
    return this.#limit;
  }

  get #next(): number {
    return Math.min(this.#consumed + this.#window, MOST);
  }
}
