// Compares late joiners with a terminal that was there from the start.
//
// A line of JSON on standard input is a recording with its joiners: {name, cols, rows, bytes
// (base64), resizes: [{at, cols, rows}], joins: [{at, resized, cols, rows, snapshot (base64)}]}.
// `at` counts bytes of output, `resized` resizes; joins are in order. A line of JSON on standard
// output answers it: {name, differences: [{join, phase, what, wanted, got}]}.

import { createInterface } from 'node:readline'

import xterm from '@xterm/headless'

const SCROLLBACK = 1000
/** Differences that are told of one joiner at one time. */
const TOLD = 8

function terminal(cols, rows) {
  const windowOptions = { pushTitle: true, popTitle: true }
  const scrollback = SCROLLBACK
  const term = new xterm.Terminal({ cols, rows, scrollback, windowOptions, allowProposedApi: true })
  term.titleNow = ''
  term.onTitleChange((title) => {
    term.titleNow = title
  })
  return term
}

const write = (term, bytes) => new Promise((done) => term.write(bytes, done))

/** Everything that a person or a program could tell. */
function state(term) {
  const core = term._core
  const service = core.coreService
  return {
    cols: term.cols,
    rows: term.rows,
    screen: term.buffer.active.type,
    title: term.titleNow,
    modes: { ...term.modes },
    cursorHidden: service.isCursorHidden,
    cursorStyle: service.decPrivateModes.cursorStyle ?? core.options.cursorStyle,
    cursorBlink: service.decPrivateModes.cursorBlink ?? null,
    mouseEncoding: core.coreMouseService.activeEncoding,
    charset: JSON.stringify(core._charsetService.charset ?? null),
    pen: pen(core._inputHandler._curAttrData, core),
    normal: buffer(term, term.buffer.normal, core._bufferService.buffers.normal, core),
    // What the other screen held last shows again only if a program returns to it without erasing.
    alternate:
      term.buffer.active.type === 'alternate'
        ? buffer(term, term.buffer.alternate, core._bufferService.buffers.alt, core)
        : null,
  }
}

function buffer(term, view, raw, core) {
  const isActive = view === term.buffer.active
  const lines = []
  const reused = view.getNullCell()
  for (let y = 0; y < view.length; y++) {
    const line = view.getLine(y)
    const cells = []
    const count = Math.min(line.length, term.cols)
    for (let x = 0; x < count; x++) {
      cells.push(cell(line.getCell(x, reused), raw.lines.get(y), x, core))
    }
    while (cells.length && cells.at(-1) === BLANK) cells.pop()
    lines.push({ wrapped: y > 0 && line.isWrapped, cells })
  }
  // Without wrapping, behind the last column is in it.
  const right = term.modes.wraparoundMode ? term.cols : term.cols - 1
  // No tab leads to the first column.
  const tabs = Object.keys(raw.tabs).filter((at) => raw.tabs[at] && at > 0 && at < term.cols)
  return {
    lines,
    above: view.baseY,
    cursor: isActive ? [Math.min(view.cursorX, right), view.cursorY] : null,
    saved: [raw.savedX, Math.max(raw.savedY - raw.ybase, 0)],
    region: isActive ? [raw.scrollTop, raw.scrollBottom] : null,
    tabs: isActive ? tabs.join() : null,
  }
}

const BLANK = ' |'

/** A cell as it looks. The colour and weight of a blank don't show. */
function cell(cell, line, x, core) {
  const chars = cell.getChars() || ' '
  const width = cell.getWidth()
  if (width === 0) return '' // the right half of a wide character
  const isBlank = chars === ' '
  const marks = []
  const flag = (name, is) => is && marks.push(name)
  const inverse = cell.isInverse()
  flag('inverse', inverse)
  flag('underline', cell.isUnderline())
  flag('strike', cell.isStrikethrough())
  flag('overline', cell.isOverline())
  if (!isBlank) {
    flag('bold', cell.isBold())
    flag('dim', cell.isDim())
    flag('italic', cell.isItalic())
    flag('blink', cell.isBlink())
    flag('invisible', cell.isInvisible())
  }
  const shows = !isBlank || inverse || cell.isUnderline() || cell.isStrikethrough() || cell.isOverline()
  if (shows && !cell.isFgDefault()) marks.push(`fg${cell.getFgColorMode()}:${cell.getFgColor()}`)
  if (!cell.isBgDefault()) marks.push(`bg${cell.getBgColorMode()}:${cell.getBgColor()}`)
  const extended = line._extendedAttrs?.[x]
  if (extended && cell.isUnderline()) {
    marks.push(`ul${extended.underlineStyle}:${extended.underlineColor}`)
  }
  if (extended?.urlId) marks.push(`link ${link(extended.urlId, core)}`)
  return `${chars}|${marks.join(' ')}`
}

function pen(attr, core) {
  const { underlineStyle, underlineColor, urlId } = attr.extended
  return [attr.fg, attr.bg, underlineStyle, underlineStyle && underlineColor, link(urlId, core)].join()
}

const link = (id, core) => (id ? core._oscLinkService.getLinkData(id)?.uri : '')

/** Where two states differ, as [what, wanted, got]. */
function differences(wanted, got, path = '', found = []) {
  if (found.length >= TOLD) return found
  if (typeof wanted !== 'object' || wanted === null || typeof got !== 'object' || got === null) {
    if (wanted !== got) found.push([path, show(wanted), show(got)])
    return found
  }
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
    differences(wanted[key], got[key], path ? `${path}.${key}` : key, found)
  }
  return found
}

const show = (value) => (value === undefined ? 'nothing' : JSON.stringify(value))

async function compare(recording) {
  const bytes = Buffer.from(recording.bytes, 'base64')
  const { resizes, joins } = recording
  const found = []
  const tell = (join, phase, list) => {
    for (const [what, wanted, got] of list) found.push({ join, phase, what, wanted, got })
  }

  // Feeds `term` from one place to another, with the resizes on the way.
  async function advance(term, from, to) {
    let { at, resized } = from
    while (resized < to.resized) {
      const next = resizes[resized]
      if (next.at > at) {
        await write(term, bytes.subarray(at, Math.min(next.at, to.at)))
        at = Math.min(next.at, to.at)
      }
      term.resize(next.cols, next.rows)
      resized++
    }
    if (to.at > at) await write(term, bytes.subarray(at, to.at))
  }

  const end = { at: bytes.length, resized: resizes.length }
  const reference = terminal(recording.cols, recording.rows)
  let place = { at: 0, resized: 0 }
  const waiting = []
  for (const [index, join] of joins.entries()) {
    await advance(reference, place, join)
    place = join
    const joiner = terminal(join.cols, join.rows)
    await write(joiner, Buffer.from(join.snapshot, 'base64'))
    const list = differences(state(reference), state(joiner))
    tell(index, 'at once', list)
    waiting.push({ index, joiner, join })
  }
  await advance(reference, place, end)
  const last = state(reference)
  for (const { index, joiner, join } of waiting) {
    await advance(joiner, join, end)
    tell(index, 'at the end', differences(last, state(joiner)))
    joiner.dispose()
  }
  reference.dispose()
  return { name: recording.name, differences: found }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await compare(JSON.parse(line)))}\n`)
}
