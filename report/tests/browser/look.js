// What a browser makes of the page, as JSON: run in it by report/tests/browser.rs.
(() => {
  const root = document.documentElement;
  const shown = element => element.checkVisibility() && element.getBoundingClientRect().height > 0;

  // Colours as red, green, blue from 0 to 1, and opacity.
  const parse = text => {
    const numbers = text.match(/[-\d.]+(?=[%,) /]|$)/g).map(Number);
    const unit = text.startsWith("color(") ? 1 : 255;
    const [red, green, blue, alpha = 1] = numbers;
    return [red / unit, green / unit, blue / unit, alpha];
  };
  const over = (front, back) => front.slice(0, 3).map((value, at) => value * front[3] + back[at] * (1 - front[3])).concat(1);
  const background = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
    return layers.reduce((back, front) => over(front, back), [1, 1, 1, 1]);
  };
  // Contrast as the Web Content Accessibility Guidelines 2.2 define it.
  const luminance = colour => {
    const [red, green, blue] = colour.map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const pale = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    // The gutter's blocks are no letters: their shapes differ.
    if (!texts.currentNode.data.trim() || !shown(element) || element.closest(".src b") || element.closest("title, desc")) continue;
    looked += 1;
    const style = getComputedStyle(element);
    const back = background(element);
    const front = over(parse(element instanceof SVGElement ? style.fill : style.color), back);
    const found = contrast(front, back);
    if (found < 4.5) pale.add(`${element.tagName}.${element.getAttribute("class")}: ${found.toFixed(2)}`);
  }

  const wide = [...document.querySelectorAll("main *")].filter(element =>
    shown(element) && !element.closest(".scroll, pre, .hidden, input") &&
    element.getBoundingClientRect().right > root.clientWidth + 1);
  const small = [...document.querySelectorAll("svg.plot text")].filter(shown).filter(text =>
    text.getBoundingClientRect().height > 0 && parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a < 9);

  return {
    width: root.clientWidth,
    scroll_width: Math.max(root.scrollWidth, document.body.scrollWidth),
    sections: [...document.querySelectorAll("section")].map(section => [section.id, shown(section)]),
    dark: luminance(background(document.body)) < 0.5,
    texts: looked,
    pale: [...pale],
    wide: wide.slice(0, 5).map(element => `${element.tagName}.${element.getAttribute("class")}`),
    small: small.slice(0, 5).map(text => text.textContent),
    // What has something to scroll to must be reachable without a mouse.
    unreachable: [...document.querySelectorAll("*")].filter(element =>
      shown(element) && element.scrollWidth > element.clientWidth + 1 && element.tabIndex < 0 &&
      ["auto", "scroll"].includes(getComputedStyle(element).overflowX)).map(element => element.className),
  };
})()
