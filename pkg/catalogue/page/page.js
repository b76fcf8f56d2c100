
(function () {
  'use strict';
  var d = document;
  function $(id) { return d.getElementById(id); }
  function each(selector, f) { Array.prototype.forEach.call(d.querySelectorAll(selector), f); }
  // A browser may refuse to remember anything.
  function get(key) { try { return localStorage.getItem('imgbuild.' + key); } catch (e) { return null; } }
  function set(key, value) { try { localStorage.setItem('imgbuild.' + key, value); } catch (e) { /* then not */ } }

  // The language: what was chosen, else the browser's. Only the first page
  // sends on, and not who comes to it from another page of the catalogue.
  var lang = $('lang');
  if (lang) {
    lang.addEventListener('click', function () { set('lang', lang.dataset.lang); });
    var root = d.documentElement.lang === 'en' && !d.querySelector('a.home') && !location.hash;
    var wanted = get('lang') || navigator.language || '';
    if (root && /^zh\b/i.test(wanted)) { location.replace(lang.href); return; }
  }

  // The lines, for the region, network and form that are chosen.
  var choose = $('choose'), region = $('region'), vpc = $('vpc'), pin = $('pin');
  function has(list, n) { return (' ' + (list || '') + ' ').indexOf(' ' + n + ' ') >= 0; }
  function show(selector, on) { var e = d.querySelector(selector); if (e) { e.hidden = !on; } }
  function lines() {
    vpc.disabled = !region.options[region.selectedIndex].dataset.vpc;
    each('code.line', function (e) {
      var at = region.selectedIndex, absent = has(e.dataset.absent, at);
      if (absent) { at = +e.dataset.first; }
      var o = region.options[at].dataset, elsewhere = has(e.dataset.elsewhere, at);
      var host = vpc.checked && o.vpc || o.public;
      e.textContent = e.dataset.before + host + '/' + e.dataset.path +
        (pin.checked || elsewhere || 'always' in e.dataset ? '@' + e.dataset.digest : '') + (e.dataset.after || '');
      show('[data-absent-note="' + e.id + '"]', absent);
      show('[data-elsewhere-note="' + e.id + '"]', elsewhere);
    });
  }
  if (choose) {
    choose.hidden = false;
    var was = get('region');
    each('#region option', function (o, i) { if (o.value === was) { region.selectedIndex = i; } });
    vpc.checked = get('vpc') === '1';
    pin.checked = get('pin') === '1';
    lines();
    choose.addEventListener('change', function () {
      set('region', region.value);
      set('vpc', vpc.checked ? '1' : '');
      set('pin', pin.checked ? '1' : '');
      lines();
    });
    choose.addEventListener('submit', function (e) { e.preventDefault(); });
  }

  // Copy.
  function copy(text) {
    if (navigator.clipboard && window.isSecureContext) { return navigator.clipboard.writeText(text); }
    // Pages that come over plain HTTP have no clipboard but this.
    var area = d.createElement('textarea');
    area.value = text;
    area.className = 'unseen';
    d.body.appendChild(area);
    area.select();
    var ok = d.execCommand('copy');
    area.remove();
    return ok ? Promise.resolve() : Promise.reject(new Error('not copied'));
  }
  each('.copy button', function (b) {
    var before = b.textContent, timer;
    b.hidden = false;
    b.addEventListener('click', function () {
      copy($(b.dataset.for).textContent).then(function () {
        b.textContent = b.dataset.done;
        $('said').textContent = b.dataset.done;
        clearTimeout(timer);
        timer = setTimeout(function () { b.textContent = before; $('said').textContent = ''; }, 2000);
      }, function () {
        // It can still be taken by hand.
        getSelection().selectAllChildren($(b.dataset.for));
      });
    });
  });

  // The filter.
  var filter = $('filter');
  if (filter) {
    filter.parentNode.hidden = false;
    var rows = Array.prototype.slice.call(d.querySelectorAll('.packages tbody tr'));
    var texts = rows.map(function (r) { return r.textContent.toLowerCase(); });
    filter.addEventListener('input', function () {
      var words = filter.value.toLowerCase().split(/\s+/), n = 0;
      rows.forEach(function (r, i) {
        r.hidden = !words.every(function (w) { return texts[i].indexOf(w) >= 0; });
        if (!r.hidden) { n++; }
      });
      var counts = [n, rows.length];
      $('shown').textContent = $('shown').dataset.format.replace(/%d/g, function () { return counts.shift(); });
    });
  }

  // A link to a part opens what it is in.
  function open() {
    var e = location.hash && $(decodeURIComponent(location.hash.slice(1)));
    if (e && e.querySelector && e.tagName === 'DETAILS') { e.open = true; }
  }
  addEventListener('hashchange', open);
  open();
})();
