// Names for what would have none for screen readers: the sliders of widgets, by the label beside each, and what opens
// the pages below a chapter in the contents, by the chapter.
function nameSliders() {
  for (const handle of document.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider").querySelector(".widget-label");
    handle.setAttribute("aria-label", label?.textContent || "Slider");
  }
}

function nameOpeners() {
  for (const opener of document.querySelectorAll("summary:not([aria-label])")) {
    if (opener.textContent.trim() === "") {
      const chapter = opener.closest("li")?.querySelector("a");
      opener.setAttribute("aria-label", chapter ? `Pages of ${chapter.textContent.trim()}` : "More");
    }
  }
}

// Widgets come when their script has run, and again with every one that is shown later.
document.addEventListener("DOMContentLoaded", () => {
  nameOpeners();
  nameSliders();
  new MutationObserver(nameSliders).observe(document.body, { childList: true, subtree: true });
});
