/* The handles of widgets' sliders have no name and say a number: they get the name and the text that stand beside them,
 * so that a screen reader says "Deleted, 20%". Widgets are drawn after the page has loaded. */
"use strict";
{
  function nameHandles() {
    for (const handle of document.querySelectorAll(".widget-slider .noUi-handle")) {
      const slider = handle.closest(".widget-slider");
      const name = slider.querySelector(".widget-label")?.textContent.trim() || "Slider";
      const value = slider.querySelector(".widget-readout")?.textContent.trim();
      if (handle.getAttribute("aria-label") !== name) handle.setAttribute("aria-label", name);
      if (value && handle.getAttribute("aria-valuetext") !== value) handle.setAttribute("aria-valuetext", value);
    }
  }

  new MutationObserver(nameHandles).observe(document.documentElement, {
    attributeFilter: ["aria-valuetext"],
    characterData: true,
    childList: true,
    subtree: true,
  });
}
