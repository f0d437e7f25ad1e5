// Shows the topic and the beginning of the text that is nearest to the pointer. Texts are set as text, never as markup.
(() => {
  const map = document.getElementById("topic-map");
  if (!map) return;
  const { labels, points } = JSON.parse(document.getElementById("map-data").textContent);
  const note = document.getElementById("map-note"), mark = document.getElementById("map-mark");
  const REACH = 28; // units of the map within which a dot is pointed at
  const hide = () => { note.hidden = true; mark.setAttribute("cx", -50); };
  const show = (event) => {
    const box = map.getBoundingClientRect(), scale = map.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let best = null, least = (REACH * Math.max(1, scale / 2)) ** 2;
    for (const point of points) {
      const far = (point[0] - x) ** 2 + (point[1] - y) ** 2;
      if (far < least) { least = far; best = point; }
    }
    if (!best) return hide();
    mark.setAttribute("cx", best[0]);
    mark.setAttribute("cy", best[1]);
    note.children[0].textContent = labels[best[2]];
    note.children[1].textContent = best[3];
    note.hidden = false;
    const left = best[0] / scale, top = best[1] / scale;
    note.style.left = `${Math.max(0, Math.min(left + 14, box.width - note.offsetWidth))}px`;
    note.style.top = top > box.height / 2 ? `${top - note.offsetHeight - 14}px` : `${top + 14}px`;
  };
  map.addEventListener("pointermove", show);
  map.addEventListener("pointerdown", show);
  map.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
})();
