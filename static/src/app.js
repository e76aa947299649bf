/* What pages do beyond links, forms and htmx. One block per feature; every word shown comes from the page.
   Nothing here is needed to reach or change anything: without it the same links and forms work. */
"use strict";

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const on = (type, selector, act) =>
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) act(element, event);
  });
/* Single letters are for nobody while one types, while a dialog is open, or for those who switched them off. */
const letter = (event) =>
  !(event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.documentElement.dataset.letters || find("dialog[open], details.menu[open]"));
const typing = (element) => element?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

/* Time zone: told to the server once, and again when the traveller has moved. */
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`timezone=${encodeURIComponent(zone)}`) && !document.cookie.includes(`timezone=${zone}`)) {
    const secure = location.protocol === "https:" ? ";secure" : "";
    document.cookie = `timezone=${zone};path=/;max-age=31536000;samesite=lax${secure}`;
  }
}

/* Notices in the corner: from the page itself after a redirect, or from the event `toast` of an htmx answer. */
{
  const LIMIT = 3;
  const LASTS_MS = 6000;

  const settle = (toast) => {
    if (find("form:not([hidden])", toast) || toast.matches(".tone-bad")) return; // what asks for an answer stays
    setTimeout(() => toast.remove(), LASTS_MS);
  };
  const show = ({ text, tone = "ok", undo, undo_label: label }) => {
    const toast = find("#toast-template").content.firstElementChild.cloneNode(true);
    toast.classList.add(`tone-${tone}`);
    find("p", toast).textContent = text;
    find("use", toast).setAttribute("href", { bad: "#i-octagon", warn: "#i-triangle" }[tone] ?? "#i-tick");
    if (undo) {
      const form = find("form", toast);
      form.action = undo;
      form.hidden = false;
      find("button", form).textContent = label;
    }
    const corner = find("#toasts");
    corner.append(toast);
    while (corner.children.length > LIMIT) corner.firstElementChild.remove();
    settle(toast);
  };
  findAll("[data-toast]").forEach(settle);
  document.addEventListener("toast", (event) => show(event.detail));
}

/* Anything that closes: toasts, banners, dialogs. */
on("click", "[data-close]", (button, event) => {
  const dialog = button.closest("dialog");
  if (dialog && button.type === "submit") return;
  event.preventDefault();
  if (dialog) dialog.close();
  else button.closest(".toast, .banner")?.remove();
});

/* A server that failed or cannot be reached: say so on top, leave the page as it is, offer to try again. */
{
  const warn = (kind, source) => {
    if (source?.closest?.("[data-quiet]")) return;
    const banner = find("#banner-template").content.firstElementChild.cloneNode(true);
    findAll("[data-for]", banner).forEach((text) => { text.hidden = text.dataset.for !== kind; });
    const retry = find("[data-retry]", banner);
    retry.hidden = !source?.isConnected;
    retry.addEventListener("click", () => {
      banner.remove();
      if (source.matches("form")) source.requestSubmit();
      else source.click();
    });
    find("#banner").replaceChildren(banner);
    banner.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    if (ctx.response.status >= 500) warn("server", ctx.sourceElement);
  });
  document.addEventListener("htmx:error", ({ detail }) => {
    if (detail.ctx) warn("network", detail.ctx.sourceElement);
  });
}

/* Busy: assistive technology hears it, the bar on top shows it. */
{
  let running = 0;
  const count = (step) => {
    running = Math.max(0, running + step);
    const main = find("#main");
    if (running) main?.setAttribute("aria-busy", "true");
    else main?.removeAttribute("aria-busy");
  };
  const counted = (ctx) => !ctx?.sourceElement?.closest?.("[data-quiet]");
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => counted(ctx) && count(1));
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => counted(ctx) && count(-1));
}

/* Confirmation of an htmx request that carries data-hx-confirm; data-confirm-label names the deed on the button. */
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { ctx, issueRequest, dropRequest } = event.detail;
  const dialog = find("#confirm");
  const yes = find("[data-confirm-yes]", dialog);
  find("#confirm-text").textContent = ctx.confirm;
  find("span", yes).textContent = ctx.sourceElement.dataset.confirmLabel ?? find("span", yes).textContent;
  let agreed = false;
  yes.onclick = () => { agreed = true; dialog.close(); };
  find("[data-confirm-no]", dialog).onclick = () => dialog.close();
  dialog.addEventListener("close", () => (agreed ? issueRequest() : dropRequest()), { once: true });
  dialog.showModal();
});

/* Menus close when one clicks elsewhere, presses Escape or moves on. */
document.addEventListener("click", (event) => {
  findAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = find("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  find("summary", menu).focus();
});
document.addEventListener("focusin", (event) => {
  findAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

/* Forms: the summary of errors takes the focus, and changes are not lost by accident. */
{
  const dirty = new Set();
  const focusSummary = () => {
    const summary = find("[data-focus]:not([data-focused])");
    if (!summary) return;
    summary.dataset.focused = "";
    summary.focus();
  };
  document.addEventListener("htmx:after:swap", focusSummary);
  focusSummary();
  on("input", "form[data-guard]", (form) => dirty.add(form));
  document.addEventListener("submit", () => dirty.clear());
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    if (ctx.sourceElement?.matches?.("form[data-guard]")) dirty.add(ctx.sourceElement);
  });
  addEventListener("beforeunload", (event) => {
    if ([...dirty].some((form) => form.isConnected)) event.preventDefault();
  });
}

/* Secrets: replace in place without losing what else was typed; look at what one has just typed. */
{
  const swap = (field, kind) => {
    findAll("[data-state]", field).forEach((part) => { part.hidden = part.dataset.state !== kind; });
    const input = find("input[data-secret]", field);
    input.disabled = kind !== "open";
    for (const box of [input, ...findAll("[data-reference]", field)]) box.value = "";
    if (kind === "open") input.focus();
    else find("[data-replace]", field).focus();
  };
  on("click", "[data-replace]", (link, event) => {
    const field = link.closest(".field-secret");
    if (!find("input[data-secret]", field)) return;
    event.preventDefault();
    swap(field, "open");
  });
  on("click", "[data-keep]", (link, event) => {
    event.preventDefault();
    swap(link.closest(".field-secret"), "kept");
  });
  const offer = () => findAll(".reveal[hidden]").forEach((label) => { label.hidden = false; });
  on("change", "[data-reveal]", (box) => {
    find(`#${CSS.escape(box.dataset.reveal)}`).type = box.checked ? "text" : "password";
  });
  document.addEventListener("htmx:after:swap", offer);
  offer();
}

/* Copy: the button says so for a moment. */
on("click", "[data-copy]", async (button) => {
  await navigator.clipboard.writeText(button.dataset.copy);
  const told = find(".copied", button);
  told.hidden = false;
  setTimeout(() => { told.hidden = true; }, 1600);
});

/* Selection: one box for all rows, and a bar with what can be done to the chosen ones. */
{
  const update = (form) => {
    const boxes = findAll("[data-select]", form);
    const chosen = boxes.filter((box) => box.checked);
    const bar = find("[data-bulk]", form);
    const all = find("[data-select-all]", form);
    if (bar) bar.hidden = chosen.length === 0;
    findAll("[data-bulk-count]", form).forEach((place) => { place.textContent = chosen.length; });
    if (all) {
      all.checked = boxes.length > 0 && chosen.length === boxes.length;
      all.indeterminate = chosen.length > 0 && !all.checked;
    }
  };
  on("change", "[data-select-all]", (all) => {
    const form = all.closest("form");
    findAll("[data-select]", form).forEach((box) => { box.checked = all.checked; });
    update(form);
  });
  on("change", "[data-select]", (box) => update(box.closest("form")));
  document.addEventListener("htmx:after:swap", () =>
    findAll("[data-bulk]").forEach((bar) => update(bar.closest("form"))));
}

/* Polling: `poll` every 3 s and `poll-slow` every 30 s reach body while the page is looked at. */
{
  const FAST_MS = 3000;
  const SLOW_EVERY = 10;
  let ticks = 0;
  setInterval(() => {
    if (document.hidden || find("dialog[open]")) return;
    document.body.dispatchEvent(new CustomEvent("poll"));
    ticks += 1;
    if (ticks % SLOW_EVERY === 0 && !find("details.menu[open]")) document.body.dispatchEvent(new CustomEvent("poll-slow"));
  }, FAST_MS);
}

/* Charts: drag over bars to write their time into the form that data-brush-form names, then send it. */
on("pointerdown", "[data-brush][data-brush-form]", (plot, start) => {
  const box = plot.getBoundingClientRect();
  const { start: from, step, count, brushForm } = plot.dataset;
  const index = (x) => Math.min(Math.max((x - box.left) / box.width, 0), 1) * Number(count);
  const frame = document.createElement("div");
  frame.className = "brush";
  plot.append(frame);
  const draw = (event) => {
    frame.style.left = `${Math.min(start.clientX, event.clientX) - box.left}px`;
    frame.style.width = `${Math.abs(event.clientX - start.clientX)}px`;
  };
  const end = (event) => {
    plot.removeEventListener("pointermove", draw);
    frame.remove();
    const [low, high] = [index(start.clientX), index(event.clientX)].sort((a, b) => a - b);
    if (high - low < 0.5) {
      findAll("a", plot)[Math.min(Math.floor(low), Number(count) - 1)]?.click();
      return;
    }
    const iso = (bar) => new Date((Number(from) + bar * Number(step)) * 1000).toISOString().slice(0, 19) + "Z";
    const form = find(`#${brushForm}`);
    form.elements.from.value = iso(Math.floor(low));
    form.elements.to.value = iso(Math.ceil(high));
    form.requestSubmit();
  };
  plot.setPointerCapture(start.pointerId);
  plot.addEventListener("pointermove", draw);
  plot.addEventListener("pointerup", end, { once: true });
  plot.addEventListener("pointercancel", end, { once: true });
});

/* The call beside the list: Escape closes it, j and k open the next and the one before, c copies its first request for
   a shell; then the row has the focus. */
{
  let last = null;
  const open = () => find("[data-drawer]")?.dataset.drawer;
  on("click", "a[data-open]", (link) => { last = link.dataset.open; });
  document.addEventListener("htmx:after:swap", () => {
    const shown = open();
    findAll("a[data-open]").forEach((link) => link.closest("tr").classList.toggle("is-open", link.dataset.open === shown));
    if (shown || !last) return;
    find(`a[data-open="${CSS.escape(last)}"]`)?.focus();
    last = null;
  });
  document.addEventListener("keydown", (event) => {
    if (!open() || (event.key !== "Escape" && !letter(event)) || find("dialog[open], details.menu[open]")) return;
    if (event.key === "Escape") {
      last ??= open();
      find("[data-drawer-close]").click();
    } else if (event.key === "c") {
      find("[data-drawer] [data-copy^='curl ']")?.click();
    } else if (event.key === "j" || event.key === "k") {
      const links = findAll("a[data-open]");
      const here = links.findIndex((link) => link.dataset.open === open());
      links[here + (event.key === "j" ? 1 : -1)]?.click();
    }
  });
}

/* Watching the log: new rows come while nobody reads, that is, holds them, points at them, selects, has opened a call
   or has scrolled down. Meanwhile they are counted, and "Resume" brings them. */
{
  let held = false;
  let lost = false; // the server did not answer the last time
  const send = (name) => document.body.dispatchEvent(new CustomEvent(name));
  const reading = (rows) =>
    held || find("[data-drawer]") || rows.matches(":hover") || rows.contains(document.activeElement) || !getSelection().isCollapsed || scrollY > 240;
  const tell = (paused) => {
    const note = find("[data-tail-live]");
    const { tailLive, tailPaused, tailWaiting, tailLost } = note.dataset;
    const words = lost ? tailLost : !paused ? tailLive : find("[data-tail-resume]") ? tailWaiting : tailPaused;
    if (note.textContent !== words) note.textContent = words;
    note.classList.toggle("is-paused", Boolean(paused));
    note.classList.toggle("is-lost", lost);
  };
  const settle = (rows) => {
    const paused = reading(rows);
    if (!paused) find("#tail-news").replaceChildren();
    tell(paused);
    return paused;
  };
  const look = () => {
    const rows = find("[data-tail]");
    if (rows) send(settle(rows) ? "tail-count" : "tail");
  };
  const hold = (to) => {
    held = to;
    find("[data-tail-pause]").setAttribute("aria-pressed", held);
  };
  const ready = () => {
    findAll("[data-tail-again]").forEach((link) => link.remove());
    const pause = find("[data-tail-pause]");
    if (!pause) held = false;
    else {
      pause.hidden = false;
      pause.setAttribute("aria-pressed", held);
    }
  };
  document.body.addEventListener("poll", look);
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (!ctx?.sourceElement?.matches?.("[data-tail], #tail-news")) return;
    lost = !(ctx.response?.status < 400);
    if (find("[data-tail-live]")) tell(find("[data-tail-live]").matches(".is-paused"));
  });
  on("click", "[data-tail-pause]", () => {
    hold(!held);
    look();
  });
  on("click", "[data-tail-resume]", () => {
    hold(false);
    find("[data-drawer-close]")?.click();
    getSelection().removeAllRanges();
    scrollTo(0, 0);
    find("[data-tail-pause]").focus();
    tell(false);
  });
  document.addEventListener("htmx:after:swap", () => {
    ready();
    const rows = find("[data-tail]");
    if (rows) settle(rows);
  });
  ready();
}

/* Shortcuts: / searches, ? explains, g and a letter goes. Off while typing and while a dialog is open. */
{
  const WAIT_MS = 1500;
  let going = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (!letter(event)) return;
    const waited = performance.now() - going < WAIT_MS;
    going = -Infinity;
    if (waited) {
      const place = find(`[data-go="${CSS.escape(event.key)}"]`);
      if (place) place.click();
    } else if (event.key === "g") {
      going = performance.now();
    } else if (event.key === "?") {
      find("#shortcuts").showModal();
    } else if (event.key === "/") {
      const search = find("[data-search], input[type=search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
}

/* Lists: j and k go from row to row, Enter opens, x chooses, Shift and x choose all up to there. */
{
  let from = 0;
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!["j", "k", "x"].includes(key) || !letter(event) || find("[data-drawer]")) return;
    const rows = findAll("main tbody tr").filter((row) => find("th a, a[data-open]", row));
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    if (key !== "x") {
      const next = rows[here + (key === "j" ? 1 : -1)];
      if (next) find("th a, a[data-open]", next).focus();
      return;
    }
    const boxes = rows.map((row) => find("[data-select]", row));
    if (!boxes[here]) return;
    const chosen = !boxes[here].checked;
    const [first, last] = event.shiftKey ? [Math.min(from, here), Math.max(from, here)] : [here, here];
    boxes.slice(first, last + 1).forEach((box) => { if (box) box.checked = chosen; });
    boxes[here].dispatchEvent(new Event("change", { bubbles: true }));
    from = here;
  });
}

/* Go to anything: Ctrl or ⌘ with K, or the first entry of the navigation; the arrows walk through what was found. */
{
  const open = () => {
    const dialog = find("#find");
    if (!dialog || find("dialog[open]")) return;
    dialog.showModal();
    find("#find-words").select();
    find("#find-words").dispatchEvent(new Event("look"));
  };
  on("click", "[data-find]", (link, event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !find("#find[open]")) return;
    event.preventDefault();
    const links = findAll("#found a");
    (links[links.indexOf(document.activeElement) + step] ?? find("#find-words")).focus();
  });
  on("submit", "#find form", (form, event) => {
    const first = find("#found a");
    if (!first) return;
    event.preventDefault();
    first.click();
  });
}
