/* Small conveniences over pages that work without them: the palette, keys that move through a list, a decision that is sent once. */
"use strict";

(() => {
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  const hasKeys = () => document.body.dataset.shortcuts !== "off";
  const scope = () => document.querySelector("dialog[open]") ?? document;

  /* j and k, and the arrows in the palette, walk over the links that rows are opened by. */
  const move = (step) => {
    const rows = [...scope().querySelectorAll("[data-row]")];
    if (rows.length === 0) {
      return;
    }
    const at = rows.indexOf(document.activeElement);
    const next = at === -1 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
    rows[next].focus();
  };

  const select = () => {
    const box = document.activeElement.closest("tr, li")?.querySelector("[data-select]");
    if (box && !box.disabled) {
      box.click();
    }
  };

  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) {
      return false;
    }
    dialog.showModal();
    return true;
  };

  const openPalette = () => {
    const field = document.getElementById("palette-q");
    if (field && open("palette")) {
      field.select();
      field.dispatchEvent(new Event("palette"));
    }
  };

  const search = () => {
    const field = document.querySelector("main [data-search], main [role=search] input[type=search]");
    if (field) {
      const fold = field.closest("details.fold");
      if (fold) {
        fold.open = true; // on a narrow screen the field is folded away
      }
      field.focus();
      field.select();
    } else {
      openPalette();
    }
  };

  /* Nothing here decides, sends or changes anything: no single key ever approves. */
  const KEYS = { j: () => move(1), k: () => move(-1), x: select, "/": search, "?": () => open("shortcuts") };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) {
      return;
    }
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "Escape" && location.hash === "#navigation") {
      location.hash = "main";
    } else if (document.getElementById("palette")?.open) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
      }
    } else if (hasKeys() && !isTyping(event.target) && Object.hasOwn(KEYS, event.key)) {
      if (event.key === "/" || event.key === "?") {
        event.preventDefault();
      }
      KEYS[event.key]();
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-palette], a[data-help]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      if (link.matches("[data-palette]")) {
        openPalette();
      } else {
        open("shortcuts");
      }
    } else if (event.target.matches("dialog.dialog")) {
      event.target.close();
    }
  });

  /* A list that refreshes itself keeps what is focused and what is picked, and says aloud when its title changed. */
  let focused = "";
  let picked = [];
  let title = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    const active = document.activeElement;
    focused = event.detail.target.contains(active) && active.matches("a[href]") ? active.getAttribute("href") : "";
    picked = [...event.detail.target.querySelectorAll("[data-select]:checked")].map((box) => box.id);
    title = document.getElementById("inbox-title")?.textContent ?? "";
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (focused && document.activeElement === document.body) {
      document.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
    picked.forEach((id) => {
      const box = document.getElementById(id);
      if (box) {
        box.checked = true;
      }
    });
    const now = document.getElementById("inbox-title")?.textContent ?? "";
    if (title && now !== title) {
      document.getElementById("status").textContent = now;
    }
    focused = "";
    picked = [];
    title = "";
  });

  /* A decision is sent once: the second press of an impatient finger finds the buttons off. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) {
      return;
    }
    if (form.dataset.sent === "yes") {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("[data-once]").forEach((form) => delete form.dataset.sent);
  });
})();
