// Fields: what is typed stays as typed until Python has read it; what is wrong is said below, with its cure.
import { h } from "preact";
import { useRef, useState } from "preact/hooks";
import { ICONS } from "./icons.js";

export function Icon({ name }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[name] ?? ICONS.note} />
    </svg>
  );
}

/** A text input that tells what was typed a moment after the last key, and at once when it is left. */
function Typed({ value, tell, ...rest }) {
  const [text, setText] = useState(null); // null: nobody types here
  const typed = useRef(null); // what is not told yet
  const timer = useRef(0);
  const told = () => {
    clearTimeout(timer.current);
    if (typed.current !== null) tell(typed.current);
    typed.current = null;
  };
  const later = (event) => {
    typed.current = event.target.value;
    setText(typed.current);
    clearTimeout(timer.current);
    timer.current = setTimeout(told, 180);
  };
  return <input {...rest} value={text ?? value} onInput={later} onBlur={() => { told(); setText(null); }} />;
}

const MODES = { money: "decimal", percent: "decimal", whole: "numeric", quantity: "text" };

function Input({ field, id, tell, label }) {
  const wrong = { "aria-invalid": Boolean(field.error), "aria-describedby": field.error ? `${id}-error` : undefined };
  if (field.kind === "choice") {
    return (
      <select id={id} aria-label={label} {...wrong} value={field.value} onChange={(event) => tell(event.target.value)}>
        {field.options.map(([value, text]) => <option key={value} value={value} selected={value === field.value}>{text}</option>)}
      </select>
    );
  }
  if (field.kind === "day") {
    return <input type="date" id={id} aria-label={label} {...wrong} value={field.value} onChange={(event) => tell(event.target.value)} />;
  }
  return (
    <Typed id={id} aria-label={label} {...wrong} value={field.value} tell={tell} placeholder={field.hint ?? ""}
      inputMode={MODES[field.kind] ?? "text"} autocomplete="off" spellcheck={false} />
  );
}

export function Field({ owner, field, set, send }) {
  const id = `f-${owner}-${field.path.join("-")}`;
  const tell = (value) => (field.command ? send({ do: field.command, uid: owner, value }) : set(field.path, value));
  if (field.kind === "segments") {
    return (
      <fieldset class="field segments">
        <legend>{field.label}</legend>
        <div>
          {field.options.map(([value, text]) => (
            <button type="button" key={value} aria-pressed={value === field.value} onClick={() => tell(value)}>{text}</button>
          ))}
        </div>
      </fieldset>
    );
  }
  return (
    <div class={`field ${field.kind} ${field.error ? "bad" : ""}`}>
      <label for={id}>{field.label}</label>
      <div class="box">
        <Input field={field} id={id} tell={tell} />
        {field.suffix && <span class="suffix">{field.suffix}</span>}
      </div>
      {field.error && <p class="wrong-text" id={`${id}-error`}>{field.error}</p>}
    </div>
  );
}

export function Table({ owner, table, set, send }) {
  const change = (act) => send({ do: "rows", uid: owner, path: table.path, act });
  return (
    <div class="table">
      <div class="row names" aria-hidden="true">
        {table.columns.map((column) => <span key={column.key}>{column.label}</span>)}
        <span />
      </div>
      {table.rows.map((row, at) => (
        <div class={`row ${row.error ? "bad" : ""}`} key={at} role="group" aria-label={`${table.label} ${at + 1}`}>
          {table.columns.map((column) => (
            <div class="box" key={column.key}>
              <Input field={{ ...column, value: row.values[column.key] ?? "", error: row.error }} id={`t-${owner}-${table.path.join("-")}-${at}-${column.key}`}
                label={`${table.label} ${at + 1}, ${column.label}`} tell={(value) => set([...table.path, at, column.key], value)} />
            </div>
          ))}
          <button type="button" title="Remove" aria-label={`Remove ${table.label} ${at + 1}`} onClick={() => change(["remove", at])}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      <button type="button" class="more" onClick={() => change(["add", table.rows.length])}><Icon name="plus" />{table.adds}</button>
    </div>
  );
}
