// Widgets draw their sliders without a name for screen readers: each takes that of the label beside it.
function nameSliders() {
  for (const handle of document.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider").querySelector(".widget-label");
    handle.setAttribute("aria-label", label?.textContent || "Slider");
  }
}

// They come when the widgets' script has run, and again with every widget that is shown later.
document.addEventListener("DOMContentLoaded", () => {
  nameSliders();
  new MutationObserver(nameSliders).observe(document.body, { childList: true, subtree: true });
});
