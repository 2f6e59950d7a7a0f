// Pages that follow what happens. A page with [data-live] names streams of server-sent events; when one of its events
// comes, the page is asked for again, at most every 600 ms, and its parts marked [data-live-part] take the place of
// the old ones. A log gets the lines that came since. Nothing is followed while nobody looks. Without this file the
// pages are as of when they were loaded, and say so.
(function () {
  "use strict";

  var live = null;

  function follow() {
    var el = document.querySelector("[data-live]");
    if (live && live.el !== el) { live.stop(); live = null; }
    if (!el || live || !window.EventSource || document.hidden) return;
    live = watch(el);
  }

  function watch(el) {
    var streams = [], open = 0, timer = 0, again = 0, last = 0, dirty = false, over = false;
    var shown = {};

    function say(state, text) {
      if (el.dataset.state === state) return;
      el.dataset.state = state;
      var box = el.querySelector("[data-live-text]");
      if (box) box.textContent = text;
    }

    function due() {
      dirty = true;
      if (!timer && !over) timer = setTimeout(refresh, Math.max(120, last + 600 - Date.now()));
    }

    function refresh() {
      dirty = false;
      last = Date.now();
      fetch(el.dataset.refresh || location.pathname + location.search, { headers: { "HX-Request": "true" } }).then(function (answer) {
        var away = answer.headers.get("HX-Redirect");
        if (away) { location.assign(away); throw new Error("signed out"); }
        if (!answer.ok) throw new Error("answer " + answer.status);
        return answer.text();
      }).then(function (text) {
        if (over) return;
        take(new DOMParser().parseFromString(text, "text/html"));
      }).catch(function () { dirty = !over; }).finally(function () {
        timer = 0;
        if (dirty) { last = Math.max(last, Date.now() + 400); due(); }
      });
    }

    // take puts the new parts in the place of the old ones; one that is being used waits.
    function take(page) {
      if (page.title) document.title = page.title;
      document.querySelectorAll("[data-live-part]").forEach(function (part) {
        var fresh = page.getElementById(part.id);
        if (!fresh || shown[part.id] === fresh.outerHTML) return;
        if (busy(part)) { dirty = true; return; }
        shown[part.id] = fresh.outerHTML;
        mark(part, fresh);
        var focused = part.contains(document.activeElement) ? document.activeElement.id : "";
        fresh = document.importNode(fresh, true);
        part.replaceWith(fresh);
        htmx.process(fresh);
        if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
      });
      tick();
      if (page.querySelector("main")) {
        moveLog(page);
        var now = el.id && page.getElementById(el.id);
        if (!now) { stop(); live = null; el.remove(); }
        else if (now.dataset.live !== el.dataset.live) { el.dataset.live = now.dataset.live; stop(); live = null; follow(); }
      }
      pull();
    }

    // busy says that somebody has a menu of the part open or types in it.
    function busy(part) {
      var at = document.activeElement;
      return part.querySelector("details.menu[open]") !== null || part.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName);
    }

    // mark lights the rows that were not there before.
    function mark(part, fresh) {
      var top = part.querySelector("[data-seq]");
      if (!top) return;
      fresh.querySelectorAll("[data-seq]").forEach(function (row) {
        if (Number(row.dataset.seq) > Number(top.dataset.seq)) row.classList.add("fresh");
      });
    }

    function start() {
      open = 0;
      var addresses = el.dataset.live.split(" ");
      streams = addresses.map(function (address) {
        var stream = new EventSource(address);
        stream.onopen = function () {
          open++;
          if (open >= addresses.length) say("on", "Live");
          due();
        };
        stream.onerror = function () {
          open = Math.max(open - 1, 0);
          say("off", "Not connected; trying again");
          if (stream.readyState === EventSource.CLOSED && !again) again = setTimeout(function () { again = 0; close(); start(); }, 5000);
        };
        (el.dataset.events || "").split(" ").forEach(function (name) { stream.addEventListener(name, due); });
        stream.addEventListener("log", pull);
        stream.addEventListener("end", function () { stream.close(); due(); });
        return stream;
      });
    }

    function close() { streams.forEach(function (s) { s.close(); }); streams = []; }

    function stop() {
      over = true;
      clearTimeout(timer);
      clearTimeout(again);
      close();
    }

    start();
    return { el: el, stop: stop };
  }

  // Logs. The box has where to ask for more; lines are appended as the server drew them.

  var pulling = false, wanted = false;
  var mostLines = 6000;

  function pull() {
    var box = document.querySelector(".log[data-log]");
    if (!box || !box.dataset.log) return;
    if (pulling) { wanted = true; return; }
    pulling = true;
    wanted = false;
    var more = false;
    fetch(box.dataset.log + "&after=" + box.dataset.next + "&lines=" + box.dataset.lines, { headers: { "HX-Request": "true" } }).then(function (answer) {
      if (!answer.ok || !answer.headers.get("Log-Next")) throw new Error("answer " + answer.status);
      return answer.text().then(function (text) {
        if (!document.contains(box)) return;
        more = answer.headers.get("Log-Next") !== box.dataset.next;
        box.dataset.next = answer.headers.get("Log-Next");
        box.dataset.lines = answer.headers.get("Log-Lines");
        if (answer.headers.get("Log-Done") === "true") { box.dataset.log = ""; more = false; }
        if (text) append(box, text);
      });
    }).catch(function () { more = false; }).finally(function () {
      pulling = false;
      if (more || wanted) pull();
    });
  }

  function append(box, text) {
    var list = box.querySelector("ol");
    list.insertAdjacentHTML("beforeend", text);
    while (list.childElementCount > mostLines) list.firstElementChild.remove();
    var nothing = box.querySelector(".log-nothing");
    if (nothing) nothing.remove();
    toEnd(box);
  }

  function followBox() { return document.querySelector("[data-follow]"); }

  function toEnd(box) {
    var on = followBox();
    if (on && on.checked) box.scrollTop = box.scrollHeight;
  }

  // moveLog goes on to the stage that runs now, when the reader follows and has not chosen a stage.
  function moveLog(page) {
    var on = followBox(), mine = document.getElementById("log"), theirs = page.getElementById("log");
    if (!mine || !theirs || new URLSearchParams(location.search).get("stage")) return;
    var box = mine.querySelector(".log"), next = theirs.querySelector(".log");
    if (!box || !next || box.dataset.stage === next.dataset.stage || on && !on.checked) return;
    theirs = document.importNode(theirs, true);
    mine.replaceWith(theirs);
    htmx.process(theirs);
    begin();
  }

  // Reading upwards stops following; going to the end follows again.
  document.addEventListener("scroll", function (e) {
    var box = e.target;
    if (!box.classList || !box.classList.contains("log")) return;
    var on = followBox();
    if (on && box.dataset.log) on.checked = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  }, true);
  document.addEventListener("change", function (e) {
    if (e.target.matches("[data-follow]") && e.target.checked) toEnd(document.querySelector(".log"));
  });

  // Durations that go on.
  function duration(s) {
    s = Math.max(0, Math.floor(s));
    if (s < 60) return s + "s";
    if (s < 3600) return Math.floor(s / 60) + "m\u00a0" + (s % 60 ? s % 60 + "s" : "").trim();
    return Math.floor(s / 3600) + "h\u00a0" + Math.floor(s % 3600 / 60) + "m";
  }
  function tick() {
    document.querySelectorAll("[data-elapsed]").forEach(function (el) {
      if (!el.dataset.from) el.dataset.from = String(Date.now() - Number(el.dataset.elapsed) * 1000);
      var text = duration((Date.now() - Number(el.dataset.from)) / 1000);
      if (el.textContent !== text) el.textContent = text;
    });
  }
  setInterval(function () { if (!document.hidden) tick(); }, 1000);

  function begin() {
    var box = document.querySelector(".log");
    if (!box || /^#L\d/.test(location.hash)) return;
    toEnd(box);
    var failed = box.querySelector("li.fails");
    if (failed) box.scrollTop = failed.offsetTop - box.offsetTop - 60;
  }

  document.addEventListener("visibilitychange", function () {
    if (document.hidden && live) { live.stop(); live = null; }
    else follow();
  });
  window.addEventListener("pagehide", function () { if (live) { live.stop(); live = null; } });
  window.addEventListener("pageshow", function (e) { if (e.persisted) follow(); });
  document.addEventListener("htmx:afterSettle", function (e) {
    if (e.target !== document.body) return;
    begin();
    follow();
  });
  begin();
  follow();
})();
