"use strict";

// Everything here only adds comfort: every page works without it. Loaded in the head without `defer`, so that a
// chosen theme is there before the first paint.
(function () {
  const root = document.documentElement;
  const THEMES = ["auto", "light", "dark"];

  function storedTheme() {
    const theme = localStorage.getItem("theme");
    return THEMES.includes(theme) ? theme : "auto";
  }

  function showTheme(theme) {
    root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.setAttribute("aria-label", "Colours: " + theme + ". Change");
      button.title = "Colours: " + theme;
    }
  }

  function nextTheme() {
    const theme = THEMES[(THEMES.indexOf(storedTheme()) + 1) % THEMES.length];
    localStorage.setItem("theme", theme);
    showTheme(theme);
  }

  // Countdowns -------------------------------------------------------------------------------------------------
  function inWords(seconds) {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60;
    const two = (number) => String(number).padStart(2, "0");
    if (days > 0) return days + " d " + hours + " h";
    if (hours > 0) return hours + " h " + two(minutes) + " min";
    return minutes + " min " + two(Math.floor(seconds) % 60) + " s";
  }

  function tick() {
    for (const element of document.querySelectorAll("time[data-countdown]")) {
      const left = (Date.parse(element.dateTime) - Date.now()) / 1000;
      element.textContent = left >= 0 ? inWords(left) : inWords(-left) + " late";
      element.dataset.urgency = left < 0 ? "late" : left < 300 ? "soon" : "calm";
    }
  }

  // Copying ----------------------------------------------------------------------------------------------------
  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.querySelector("[data-copy-label]");
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 1500);
  }

  function refresh() {
    if (navigator.clipboard) {
      for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
    }
    tick();
  }

  // Keys -------------------------------------------------------------------------------------------------------
  // No key decides anything: `a` and `d` bring the focus to a button, and pressing it is a second, visible act.
  function items() {
    return Array.from(document.querySelectorAll("[data-item]"));
  }

  function moveBy(step) {
    const all = items();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1);
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  function aim(verdict) {
    const button = document.querySelector('[data-verdict="' + verdict + '"]');
    if (button) {
      button.focus();
      button.scrollIntoView({ block: "nearest" });
    } else if (items().includes(document.activeElement)) {
      location.assign(document.activeElement.href + "#" + verdict);
    }
  }

  const KEYS = {
    j: () => moveBy(1),
    k: () => moveBy(-1),
    a: () => aim("approve"),
    d: () => aim("deny"),
  };

  function isTyping(target) {
    return target.closest("input, textarea, select, [contenteditable]") !== null;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("themeToggle" in button.dataset) nextTheme();
    if ("copy" in button.dataset) copy(button);
    // A denial needs a reason; the server says so as well.
    if (button.dataset.verdict) button.form.elements.comment.required = button.dataset.verdict === "deny";
  });

  // A swap of the live part must not fold what the reader has opened.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    opened = Array.from(event.detail.target.querySelectorAll("details[open][id]"), (element) => element.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    refresh();
  });

  showTheme(storedTheme());
  document.addEventListener("DOMContentLoaded", () => {
    showTheme(storedTheme());
    refresh();
    setInterval(tick, 1000);
    const verdict = location.hash.slice(1);
    if (verdict === "approve" || verdict === "deny") aim(verdict);
  });
})();
