// Runs in an isolated world of one frame: what the page has done to its own objects is not seen here. The object that
// it gives back is reached through our session only. Prototype functions are called by hand where elements with names
// can hide members of their document or form.
function () {
  'use strict';
  const LIFETIME_MS = 60000;
  const MARK = 'data-strongroom-masked';
  const LINES = ['text', 'email', 'tel', 'number', 'url', 'search', 'password'];
  const TYPES = {
    username: ['text', 'email', 'tel', 'number', 'url', 'search'],
    password: ['password'],
    totp: ['text', 'tel', 'number', 'password'],
    other: LINES,
  };
  const MAX_FIELDS = 300;
  const MAX_TEXT = 200;

  const getter = (type, name) => {
    const { get } = Object.getOwnPropertyDescriptor(type.prototype, name);
    return (object) => get.call(object);
  };
  const baseOf = getter(Node, 'baseURI');
  const actionOf = getter(HTMLFormElement, 'action');
  const methodOf = getter(HTMLFormElement, 'method');
  const setValue = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const all = (root, selector) =>
    Array.from((root === document ? Document : DocumentFragment).prototype.querySelectorAll.call(root, selector));
  const attribute = (element, name) => Element.prototype.getAttribute.call(element, name);
  const parent = (node) => node.parentElement ?? (node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null);

  let closed = [];
  let fields = [];
  let forms = [];
  // What was written and may still be there: { element, role, value, boxes, before }.
  let written = [];
  let timer = 0;
  let submitSeen = false;

  function roots() {
    const found = [document, ...closed];
    for (let i = 0; i < found.length; i++) {
      for (const element of all(found[i], '*')) if (element.shadowRoot) found.push(element.shadowRoot);
    }
    return found;
  }

  function clipped(style) {
    const clip = /^rect\(([-\d.]+)px, ([-\d.]+)px, ([-\d.]+)px, ([-\d.]+)px\)$/.exec(style.clip);
    if (clip && style.position !== 'static' && (clip[2] - clip[4] < 2 || clip[3] - clip[1] < 2)) return true;
    return /^inset\((?:100|[5-9]\d(?:\.\d+)?)%|^(?:circle|ellipse)\(0(?:px|%)/.test(style.clipPath);
  }

  // Masked by an earlier call: what that has left is cleared before anything is written.
  const isLeftover = (element) => element.hasAttribute(MARK) && !written.some((entry) => entry.element === element);

  function clearLeftovers() {
    for (const element of roots().flatMap((root) => all(root, '[' + MARK + ']')).filter(isLeftover)) {
      if (element instanceof HTMLInputElement) empty(element);
      unmask(element);
    }
  }

  // What a person can see. The page of a site is trusted, but fields are there to catch programs.
  function visible(element) {
    if (!element.isConnected) return false;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    if (box.width < 4 || box.height < 4) return false;
    if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return false;
    for (let node = element; node; node = parent(node)) {
      if (attribute(node, 'aria-hidden') === 'true' && !isLeftover(node)) return false;
      const style = getComputedStyle(node);
      if (Number(style.opacity) < 0.1 || clipped(style)) return false;
      if (node !== element && style.overflow !== 'visible') {
        const frame = node.getBoundingClientRect();
        if (frame.width < 4 || frame.height < 4) return false;
      }
    }
    return true;
  }

  const usable = (element) => visible(element) && !element.matches(':disabled');
  const tokens = (element) => (attribute(element, 'autocomplete') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const short = (text) => String(text ?? '').slice(0, MAX_TEXT);

  const isSubmit = (element) =>
    (element instanceof HTMLButtonElement && element.type === 'submit') ||
    (element instanceof HTMLInputElement && (element.type === 'submit' || element.type === 'image'));
  const isOff = (button) => button.matches(':disabled') || attribute(button, 'aria-disabled') === 'true';
  const label = (button) => short(button.textContent?.trim() || attribute(button, 'value') || attribute(button, 'aria-label'));
  const LABEL = /^\W*(log ?in|log ?on|sign ?in|continue|next|submit|verify|confirm|anmelden|weiter|einloggen|connexion|se connecter|continuer|iniciar sesi[oó]n|entrar|accedi|avanti|войти|登录|ログイン)\W*$/i;

  // The button that sends the form: its first submit button that works; else one that does not work yet.
  function formButton(form) {
    const own = all(form.getRootNode(), 'button,input').filter((button) => button.form === form);
    const submits = own.filter((button) => isSubmit(button) && visible(button));
    if (submits.length) return submits.find((button) => !isOff(button)) ?? submits[0];
    return only(own.filter((button) => /^(button)$/.test(button.type) && visible(button)));
  }

  // Without a form: the button that alone looks like it, in the smallest part of the page that has fields and buttons.
  function lonelyButton(elements) {
    for (let part = parent(elements[0]); part; part = parent(part)) {
      if (!elements.every((element) => part.contains(element) || part.shadowRoot?.contains(element))) continue;
      const buttons = Array.from((part.shadowRoot ?? part).querySelectorAll('button,input[type=button],input[type=submit],[role=button]'));
      const seen = buttons.filter(visible);
      if (seen.length) return only(seen);
    }
    return null;
  }

  function only(buttons) {
    if (buttons.length === 1) return buttons[0];
    const named = buttons.filter((button) => LABEL.test(label(button)));
    return named.length === 1 ? named[0] : null;
  }

  // Where a form sends its values: an origin, or '' if a script of the page takes them.
  function destination(form, button) {
    let action = actionOf(form);
    if (button && isSubmit(button) && button.hasAttribute('formaction')) action = button.formAction;
    try {
      const url = new URL(action, baseOf(document));
      return url.protocol === 'javascript:' ? '' : url.origin;
    } catch {
      return 'null';
    }
  }

  function isGet(form, button) {
    const method = button && isSubmit(button) && button.hasAttribute('formmethod') ? button.formMethod : methodOf(form);
    return method === 'get';
  }

  function formFacts(form) {
    const button = formButton(form);
    return {
      destination: destination(form, button),
      words: short(['id', 'name', 'class', 'action'].map((name) => attribute(form, name) ?? '').join(' ')),
      button: button ? label(button) : '',
    };
  }

  function fieldFacts(element) {
    const line = element instanceof HTMLInputElement && LINES.includes(element.type);
    let form = -1;
    if (line && element.form) {
      form = forms.indexOf(element.form);
      if (form < 0) form = forms.push(element.form) - 1;
    }
    fields.push(element);
    return {
      index: fields.length - 1,
      type: line ? element.type : 'other',
      autocomplete: tokens(element).slice(0, 8).map(short),
      name: short(attribute(element, 'name') + ' ' + attribute(element, 'id')),
      form,
      max_length: line ? element.maxLength : -1,
      readonly: line && element.readOnly,
    };
  }

  const here = () => ({ origin: self.origin, ancestors: Array.from(location.ancestorOrigins) });

  function look(selectors, ...closedRoots) {
    closed = closedRoots;
    fields = [];
    forms = [];
    const places = roots();
    const seen = [];
    for (const root of places) {
      for (const element of all(root, 'input')) {
        if (seen.length < MAX_FIELDS && LINES.includes(element.type) && usable(element)) seen.push(fieldFacts(element));
      }
    }
    const selected = selectors.map((selector) => {
      try {
        const found = places.flatMap((root) => all(root, selector));
        return found.slice(0, 2).map((element) => ({ ...fieldFacts(element), usable: usable(element) }));
      } catch {
        return null;
      }
    });
    return {
      ...here(),
      fields: seen,
      selected,
      forms: forms.map(formFacts),
      path: short(location.pathname),
      ready: document.readyState === 'complete',
      front: document.visibilityState === 'visible' && Document.prototype.hasFocus.call(document),
    };
  }

  const same = (role, is, wanted) => {
    if (role === 'totp') return is.replace(/[\s-]/g, '') === wanted;
    if (role === 'username') return is.trim().toLowerCase() === wanted.trim().toLowerCase();
    return is === wanted;
  };

  function set(element, value) {
    setValue.call(element, value);
    element.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true, inputType: 'insertText' }));
    element.dispatchEvent(new Event('change', { bubbles: true }));
  }

  function empty(element) {
    if (element.value !== '') set(element, '');
  }

  // As if typed, if the page leaves the focus where it was put.
  function type(element, value) {
    element.focus({ preventScroll: true });
    if (element.getRootNode().activeElement !== element) return;
    element.select();
    Document.prototype.execCommand.call(document, 'insertText', false, value);
  }

  function write(element, role, value) {
    if (same(role, element.value, value)) return;
    type(element, value);
    if (!same(role, element.value, value)) set(element, value);
  }

  function paste(element, value) {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', value);
    element.focus({ preventScroll: true });
    element.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, composed: true, cancelable: true, clipboardData }));
  }

  // One character in each box, and where the page takes only a paste, that.
  function writeBoxes(boxes, characters) {
    boxes.forEach((box, i) => write(box, 'totp', characters[i]));
    if (boxes.every((box, i) => same('totp', box.value, characters[i]))) return;
    boxes.forEach(empty);
    paste(boxes[0], characters.join(''));
  }

  function mask(entry) {
    if (entry.before) return;
    const { element } = entry;
    element.blur();
    entry.before = { hidden: attribute(element, 'aria-hidden'), security: element.style.webkitTextSecurity };
    element.setAttribute(MARK, '');
    element.setAttribute('aria-hidden', 'true');
    element.style.webkitTextSecurity = 'disc';
  }

  function unmask(element, before = { hidden: null, security: '' }) {
    element.removeAttribute(MARK);
    if (before.hidden === null) element.removeAttribute('aria-hidden');
    else element.setAttribute('aria-hidden', before.hidden);
    element.style.webkitTextSecurity = before.security;
  }

  // Forgets the fields that hold nothing any more.
  function settle() {
    written = written.filter((entry) => {
      if (entry.element.isConnected && entry.element.value !== '') return true;
      if (entry.before) unmask(entry.element, entry.before);
      return false;
    });
    if (!written.length) clearTimeout(timer);
    return written;
  }

  function clear() {
    const left = settle().length;
    for (const entry of written) empty(entry.element);
    settle();
    return { cleared: left - written.length, filled: written.length };
  }

  // What was to be true of the document when the values were asked for, and still must be.
  let expected = null;

  function changed() {
    const now = here();
    if (now.origin !== expected.origin) return true;
    if (now.ancestors.join() !== expected.ancestors.join()) return true;
    return false;
  }

  const leaves = (form, button) => !expected.destinations.includes(destination(form, button));

  // `plan`: { origin, ancestors, destinations, parts: [{ role, name, fields }], submit, wait }. The values of the parts follow.
  function fill(plan, ...values) {
    expected = plan;
    if (changed()) return { refused: 'document_changed' };
    for (const part of plan.parts) {
      part.elements = part.fields.map((index) => fields[index]);
      for (const element of part.elements) {
        if (!(element instanceof HTMLInputElement) || !usable(element)) return { refused: 'document_changed' };
        if (!TYPES[part.role].includes(element.type)) return { refused: 'field_type_refused' };
        if (part.role === 'password' && tokens(element).includes('new-password')) return { refused: 'field_type_refused' };
      }
    }
    const first = plan.parts[0].elements[0];
    const form = first.form;
    if (form && leaves(form, formButton(form))) return { refused: 'form_leaves_domain' };
    for (const [i, part] of plan.parts.entries()) {
      if (part.elements[0].readOnly && !same(part.role, part.elements[0].value, values[i])) return { refused: 'fill_unconfirmed' };
    }
    clearLeftovers();
    clearTimeout(timer);
    timer = setTimeout(clear, LIFETIME_MS);
    addEventListener('pagehide', clear, { once: true });
    submitSeen = false;
    const onSubmit = () => { submitSeen = true; };
    addEventListener('submit', onSubmit);
    for (const [i, part] of plan.parts.entries()) {
      if (part.elements[0].readOnly) continue;
      const characters = part.elements.length > 1 ? Array.from(values[i]) : [values[i]];
      // Noted before anything is written: whatever happens then, it will be cleared.
      part.elements.forEach((element, at) => written.push({ element, role: part.role, value: characters[at] }));
      if (part.elements.length > 1) writeBoxes(part.elements, characters);
      else write(part.elements[0], part.role, values[i]);
    }
    written.at(-1)?.element.blur();
    removeEventListener('submit', onSubmit);
    let sent = 'wait';
    if (submitSeen) sent = 'sent';
    else if (!plan.submit) sent = confirmed() ? 'kept' : 'wait';
    else if (!plan.wait) sent = send();
    maskAll();
    return { sent };
  }

  function maskAll() {
    for (const entry of settle()) if (entry.role !== 'username') mask(entry);
  }

  const confirmed = () => written.every((entry) => entry.element.isConnected && same(entry.role, entry.element.value, entry.value));

  // Sends what was written, if it is still there and everything else as it was.
  function send() {
    if (changed()) return 'changed';
    if (!confirmed()) return 'wait';
    const elements = written.length ? written.map((entry) => entry.element) : expected.parts.flatMap((part) => part.elements);
    const form = elements[0].form;
    const button = form ? formButton(form) : lonelyButton(elements);
    if (button && isOff(button)) return 'wait';
    if (!form && !button) return 'no_button';
    if (form && leaves(form, button)) return 'leaves';
    const secret = written.some((entry) => entry.role !== 'username');
    let verdict = 'sent';
    // Last of all listeners: if nobody has handled the event, the browser is about to send the form by itself.
    const guard = (event) => {
      if (event.defaultPrevented) return;
      if (leaves(event.target, event.submitter)) verdict = 'leaves';
      else if (secret && isGet(event.target, event.submitter)) verdict = 'get';
      else return;
      event.preventDefault();
    };
    const places = new Set([self, ...(form ? [form.getRootNode()] : [])]);
    places.delete(document);
    places.forEach((place) => place.addEventListener('submit', guard));
    if (button) HTMLElement.prototype.click.call(button);
    else HTMLFormElement.prototype.requestSubmit.call(form);
    places.forEach((place) => place.removeEventListener('submit', guard));
    return verdict;
  }

  // The same later: for pages that take a moment to believe their fields, and for codes, which many pages send themselves.
  function press() {
    if (expected.submit) {
      if (!settle().length) return { sent: 'sent' };
      const sent = send();
      maskAll();
      return { sent };
    }
    return { sent: changed() ? 'changed' : confirmed() ? 'kept' : 'wait' };
  }

  return {
    look,
    fill,
    press,
    clear,
    left: () => ({ filled: settle().length }),
    secrets: () => ({ filled: settle().filter((entry) => entry.role !== 'username').length }),
  };
}
