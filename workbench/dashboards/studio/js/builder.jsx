// The offer builder: a palette, and the ordered list of an offer's blocks. Python owns the offer; this draws what it
// sends (`state`) and reports what a person did (`send_msg`). Nothing is decided here, so nothing can disagree.
import { Fragment, h, render as draw } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import Sortable from "sortablejs";
import { Field, Icon, Table } from "./fields.jsx";
import STYLE from "./builder.css";

const DRAG = { forceFallback: true, fallbackTolerance: 4, animation: 140, swapThreshold: 0.6, emptyInsertThreshold: 14 };

/** Puts an element that Sortable has moved back to where Python last saw it; the next state moves it for good. */
function putBack(event) {
  const { from, item, oldIndex } = event;
  item.remove();
  from.insertBefore(item, from.children[oldIndex] ?? null);
}

function useSortable(list, options) {
  useEffect(() => {
    const made = Sortable.create(list.current, { ...DRAG, ...options });
    return () => made.destroy();
  }, []);
}

function dropped(event, send, head) {
  const data = event.item.dataset;
  const at = event.newDraggableIndex;
  if (data.item) {
    event.clone.replaceWith(event.item);
    send({ do: "add", item: data.item, at, head });
  } else {
    putBack(event);
    if (event.from !== event.to || event.oldDraggableIndex !== at) send({ do: "move", uid: data.uid, at, head });
  }
}

function Palette({ groups, send, chosen }) {
  return (
    <nav class="palette" aria-label="Building blocks">
      {groups.map((group) => (
        <PaletteGroup key={group.title} group={group} send={send} chosen={chosen} />
      ))}
      <p class="hint">Drag a block into the offer, or press Enter on it.</p>
    </nav>
  );
}

function PaletteGroup({ group, send, chosen }) {
  const list = useRef();
  useSortable(list, {
    group: { name: "offer", pull: "clone", put: false },
    sort: false,
    draggable: ".item",
    onStart: (event) => event.item.getRootNode().querySelector(".desk").classList.add("dragging"),
    onEnd: (event) => event.item.getRootNode().querySelector(".desk")?.classList.remove("dragging"),
  });
  return (
    <section>
      <h3>{group.title}</h3>
      <div class="items" ref={list}>
        {group.items.map((item) => (
          <button type="button" class={`item ${item.tone}`} key={item.name} data-item={item.name} data-kind={item.kind}
            data-inside={item.inside} title={item.note} onClick={() => send({ do: "add", item: item.name, at: -1, head: chosen })}>
            <Icon name={item.icon} />
            <span>{item.label}</span>
          </button>
        ))}
      </div>
    </section>
  );
}

function Remarks({ block }) {
  return (
    <>
      {block.error && (
        <p class="remark error" role="alert">
          <Icon name="warning" />
          <span>{block.error.what} <b>{block.error.cure}</b></span>
        </p>
      )}
      {block.remarks.map((remark) => (
        <p class={`remark ${remark.severity}`} key={remark.sentence}>
          <Icon name={remark.severity === "warning" ? "warning" : "note"} />
          <span>{remark.sentence}</span>
        </p>
      ))}
    </>
  );
}

function Head({ block, at, of, send, open, toggle, inner, focus }) {
  const keys = (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && event.altKey) {
      event.preventDefault();
      if (at + step >= 0 && at + step < of) {
        focus(block.uid);
        send({ do: "move", uid: block.uid, at: at + step, head: inner ?? "" });
      }
    } else if (event.key === "Delete" && event.target.closest(".grip")) {
      event.preventDefault();
      send({ do: "remove", uid: block.uid });
    }
  };
  const what = `${block.label} ${block.name}`.trim();
  return (
    <header onKeyDown={keys}>
      <button type="button" class="grip" data-grip={block.uid} title="Drag; or Alt+Up, Alt+Down, Delete"
        aria-label={`Move ${what}, place ${at + 1} of ${of}. Alt and an arrow key moves it, Delete removes it.`}>
        <Icon name="grip" />
      </button>
      <button type="button" class="fold" aria-expanded={open} onClick={toggle}>
        <Icon name={block.icon} />
        <span class="label">{block.label}</span>
        <span class="name">{block.name}</span>
        <span class="summary">{block.summary}</span>
      </button>
      <span class="tools">
        {block.copies && (
          <button type="button" title="Copy" aria-label={`Copy ${what}`} onClick={() => send({ do: "copy", uid: block.uid })}>
            <Icon name="copy" />
          </button>
        )}
        <button type="button" title="Remove" aria-label={`Remove ${what}`} onClick={() => send({ do: "remove", uid: block.uid })}>
          <Icon name="bin" />
        </button>
      </span>
    </header>
  );
}

function Form({ block, send }) {
  const [more, setMore] = useState(false);
  const set = (path, value) => send({ do: "put", uid: block.uid, path, value });
  const shown = block.fields.filter((field) => !field.more || more || field.error);
  return (
    <div class="form">
      {block.note && <p class="hint">{block.note}</p>}
      <div class="fields">
        {shown.map((field) => <Field key={field.path.join("/")} owner={block.uid} field={field} set={set} send={send} />)}
      </div>
      {block.tables.map((table) => <Table key={table.path.join("/")} owner={block.uid} table={table} set={set} send={send} />)}
      {block.fields.some((field) => field.more) && (
        <button type="button" class="more" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? "Fewer terms" : "More terms"}
        </button>
      )}
    </div>
  );
}

function Inner({ block, send, opened, toggle, focus }) {
  const list = useRef();
  const accepts = block.accepts;
  useSortable(list, {
    group: { name: "offer", put: (to, from, item) => accepts.includes(item.dataset.kind) },
    draggable: ".sub", handle: ".grip",
    onAdd: (event) => dropped(event, send, block.uid),
    onUpdate: (event) => dropped(event, send, block.uid),
  });
  return (
    <div class="inner" ref={list} data-empty={block.invites}>
      {block.subs.map((sub, at) => (
        <article class={`sub ${sub.tone} ${sub.error ? "wrong" : ""}`} key={sub.uid} data-uid={sub.uid} data-kind={sub.kind}>
          <Head block={sub} at={at} of={block.subs.length} send={send} inner={block.uid} focus={focus}
            open={opened(sub.uid)} toggle={() => toggle(sub.uid)} />
          <Remarks block={sub} />
          {opened(sub.uid) && <Form block={sub} send={send} />}
        </article>
      ))}
    </div>
  );
}

function Builder({ model }) {
  const [state, setState] = useState(model.state);
  const [folds, setFolds] = useState({});
  const [chosen, setChosen] = useState("");
  const root = useRef();
  const list = useRef();
  const wanted = useRef("");
  const send = (message) => model.send_msg(message);
  const focus = (uid) => { wanted.current = uid; };
  const opened = (uid) => folds[uid] ?? false;
  const toggle = (uid) => setFolds((old) => ({ ...old, [uid]: !(old[uid] ?? false) }));
  useEffect(() => model.on("state", () => setState(model.state)), []);
  useEffect(() => {
    if (state.fresh) {
      setFolds((old) => ({ ...old, [state.fresh]: true }));
      focus(state.fresh);
    }
  }, [state.fresh]);
  useEffect(() => {
    const grip = wanted.current && root.current.querySelector(`[data-grip="${wanted.current}"]`);
    if (grip) {
      grip.focus({ preventScroll: true });
      grip.closest("article").scrollIntoView({ block: "nearest" });
      wanted.current = "";
    }
  });
  useSortable(list, {
    group: { name: "offer", put: (to, from, item) => !item.dataset.inside && item.classList.contains("item") },
    draggable: ".block", handle: ".grip",
    onAdd: (event) => dropped(event, send, ""),
    onUpdate: (event) => dropped(event, send, ""),
  });
  return (
    <div class="desk" ref={root}>
      <Palette groups={model.palette} send={send} chosen={chosen} />
      <div class="offer">
        <section class={`header ${state.header.error ? "wrong" : ""}`} aria-label="The offer">
          <div class="fields">
            {state.header.fields.map((field) => (
              <Field key={field.path.join("/")} owner="" field={field} send={send}
                set={(path, value) => send({ do: "put", uid: "", path, value })} />
            ))}
          </div>
          <Remarks block={state.header} />
        </section>
        <div class="bar">
          <span>{state.told}</span>
          <button type="button" disabled={!state.undo} onClick={() => send({ do: "undo" })}><Icon name="undo" />Undo</button>
          <button type="button" disabled={!state.redo} onClick={() => send({ do: "redo" })}><Icon name="redo" />Redo</button>
        </div>
        <div class="blocks" ref={list} data-empty="Drag a price here to begin.">
          {state.blocks.map((block, at) => (
            <article class={`block ${block.tone} ${block.error ? "wrong" : ""}`} key={block.uid} data-uid={block.uid}
              data-kind={block.kind} onFocusCapture={() => setChosen(block.uid)}>
              <Head block={block} at={at} of={state.blocks.length} send={send} focus={focus}
                open={opened(block.uid)} toggle={() => toggle(block.uid)} />
              <Remarks block={block} />
              {opened(block.uid) && <Form block={block} send={send} />}
              {block.accepts.length > 0 && <Inner block={block} send={send} opened={opened} toggle={toggle} focus={focus} />}
            </article>
          ))}
        </div>
        <div class="said" role="status" aria-live="polite">{state.said}</div>
      </div>
    </div>
  );
}

export function render({ model }) {
  const host = document.createElement("div");
  const style = document.createElement("style");
  style.textContent = STYLE;
  const body = document.createElement("div");
  host.append(style, body);
  draw(<Builder model={model} />, body);
  return host;
}
