/* Sliders over frames that are in the page already: each step of the sliders shows its own frame. No kernel, no server. */
(() => {
  for (const root of document.querySelectorAll(".segattr-steps:not([data-ready])")) {
    root.dataset.ready = "";
    const sliders = [...root.querySelectorAll("input[type=range]")];
    const frames = [...root.querySelectorAll("[data-step]")];
    const show = () => {
      const step = sliders.map((slider) => slider.value).join(" ");
      for (const frame of frames) frame.hidden = frame.dataset.step !== step;
      for (const slider of sliders) {
        const text = JSON.parse(slider.dataset.values)[slider.value];
        slider.setAttribute("aria-valuetext", text);
        slider.parentElement.querySelector("output").textContent = text;
      }
    };
    for (const slider of sliders) slider.addEventListener("input", show);
    show();
  }
})();
