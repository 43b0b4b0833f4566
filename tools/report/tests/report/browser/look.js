// What a browser makes of a page, as JSON: tools/report/tests/browser.rs runs it on the window of a frame.
window => {
  const document = window.document;
  const root = document.documentElement;
  const styleOf = element => window.getComputedStyle(element);
  const shown = element => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const name = element => `${element.tagName}.${element.getAttribute("class")}`;

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
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(styleOf(at).backgroundColor));
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
    if (!texts.currentNode.data.trim() || !shown(element) || element.closest("title, desc, script")) continue;
    looked += 1;
    const style = styleOf(element);
    const back = background(element);
    const front = over(parse(element instanceof window.SVGElement ? style.fill : style.color), back);
    const found = contrast(front, back);
    if (found < 4.5) pale.add(`${name(element)}: ${found.toFixed(2)}`);
  }

  const all = selector => [...document.querySelectorAll(selector)].filter(shown);
  const reaches = element => {
    element.focus();
    return element.tabIndex >= 0 && document.activeElement === element;
  };
  const scrolls = element =>
    element.scrollWidth > element.clientWidth + 1 && ["auto", "scroll"].includes(styleOf(element).overflowX);
  const stops = all("a[href], summary").concat(all("*").filter(scrolls));

  return {
    width: root.clientWidth,
    scroll_width: Math.max(root.scrollWidth, document.body.scrollWidth),
    sections: [...document.querySelectorAll("section")].map(section => [section.id, shown(section)]),
    dark: luminance(background(document.body)) < 0.5,
    texts: looked,
    stops: stops.length,
    tables: [...document.querySelectorAll("details table")].every(table => table.checkVisibility()),
    nav: all("nav").length,
    faults: {
      "cannot be read on its background": [...pale],
      "reaches out of the window": all("main *").filter(element => !element.closest(".scroll, pre") &&
        element.getBoundingClientRect().right > root.clientWidth + 1).map(name),
      "is smaller than 9 pixels": all("svg.plot text").filter(text =>
        parseFloat(styleOf(text).fontSize) * text.getScreenCTM().a < 9).map(text => text.textContent),
      "is out of reach of the Tab key": stops.filter(element => !reaches(element)).map(name),
    },
  };
}
