// What JavaScript adds to pages that are complete without it: keys, copy buttons, selects that apply themselves.
(function () {
  "use strict";

  var root = document.documentElement;
  root.classList.add("js");

  function typing(el) {
    return el && (el.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(el.tagName));
  }

  function announce(text) {
    var box = document.getElementById("announce");
    if (box) box.textContent = text;
  }

  // Selects apply when they change; empty fields stay out of the address.
  document.addEventListener("change", function (e) {
    var form = e.target.closest && e.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });
  document.addEventListener("htmx:configRequest", function (e) {
    var params = e.detail.parameters;
    Object.keys(params).forEach(function (k) { if (params[k] === "") delete params[k]; });
  });

  document.addEventListener("click", function (e) {
    var copy = e.target.closest("[data-copy]");
    if (copy) {
      var byHand = function () {
        getSelection().selectAllChildren(copy.parentElement.querySelector("code"));
        flash(copy, "Selected");
      };
      // Without https only this machine has a clipboard; elsewhere the text is selected for the reader to copy.
      if (!navigator.clipboard) byHand();
      else navigator.clipboard.writeText(copy.dataset.copy).then(function () { flash(copy, "Copied"); }, byHand);
      return;
    }
    var opener = e.target.closest("[data-shortcuts]");
    if (opener && showShortcuts()) {
      e.preventDefault();
      e.stopPropagation();
      return;
    }
    // A menu closes when something else is clicked.
    document.querySelectorAll("details.menu[open], .js details.custom[open]").forEach(function (d) {
      if (!d.contains(e.target)) d.open = false;
    });
  }, true);

  function flash(button, text) {
    var label = button.querySelector("span");
    var before = label.dataset.label || label.textContent;
    label.dataset.label = before;
    label.textContent = text;
    announce(text);
    setTimeout(function () { label.textContent = before; }, 1600);
  }

  function showShortcuts() {
    var dialog = document.getElementById("shortcuts");
    if (!dialog || !dialog.showModal) return false;
    if (!dialog.open) dialog.showModal();
    return true;
  }

  // j and k walk the rows of the lists on the page, each row by its own link.
  function step(by) {
    var links = Array.prototype.slice.call(document.querySelectorAll("[data-list] [data-open]"));
    if (!links.length) return;
    var row = document.activeElement && document.activeElement.closest("[data-row]");
    var at = row ? links.indexOf(row.querySelector("[data-open]")) : -1;
    if (at < 0) at = by > 0 ? -1 : links.length;
    var link = links[Math.max(0, Math.min(links.length - 1, at + by))];
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }

  var pendingG = 0;
  function go(key) {
    var tabs = document.querySelectorAll('.tabs[aria-label="Project"] li:not(.tabs-of) a');
    var index = { m: 0, d: 1, c: 2, i: 3, l: 4 }[key];
    var area = { r: "runs", a: "apps", y: "registry", t: "git" }[key];
    if (key === "o") { document.querySelector(".brand").click(); return true; }
    if (area) { document.querySelector('.areas [data-area="' + area + '"]').click(); return true; }
    if (index !== undefined && tabs[index]) { tabs[index].click(); return true; }
    return false;
  }

  document.addEventListener("keydown", function (e) {
    if (e.key === "Escape") {
      document.querySelectorAll("details.menu[open], details.custom[open]").forEach(function (d) {
        d.open = false;
        d.querySelector("summary").focus();
      });
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
    if (Date.now() - pendingG < 1200 && go(e.key)) {
      pendingG = 0;
      e.preventDefault();
      return;
    }
    pendingG = 0;
    switch (e.key) {
      case "/":
        var search = document.querySelector("[data-search]");
        if (search) { e.preventDefault(); search.focus(); search.select(); }
        break;
      case "?":
        if (showShortcuts()) e.preventDefault();
        break;
      case "j": step(1); break;
      case "k": step(-1); break;
      case "g": pendingG = Date.now(); break;
    }
  });

  // The days of a custom range stay shut until they are asked for.
  function tidy() {
    document.querySelectorAll("details.custom[open]").forEach(function (d) { d.open = false; });
  }

  // After a swap the reader stands where a whole page load would have put them, and hears what is shown.
  var path = location.pathname;
  document.addEventListener("htmx:afterSettle", function (e) {
    if (e.target !== document.body) return;
    tidy();
    if (location.pathname !== path) {
      path = location.pathname;
      window.scrollTo(0, 0);
      document.getElementById("main").focus({ preventScroll: true });
    }
    announce(document.title);
  });
  tidy();
})();
