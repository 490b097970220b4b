"use strict";

// A form that needs a passkey: asks for the challenge of exactly what its button says, has it signed, and goes on.
// Without JavaScript, the same form takes a password and a code.
(function () {
  const CHALLENGE = "/api/v1/step-up/";

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  }

  function text(buffer) {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function asked(publicKey) {
    const keys = (publicKey.allowCredentials || []).map((key) => ({ ...key, id: bytes(key.id) }));
    return { ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials: keys };
  }

  function answered(credential) {
    const response = credential.response;
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: {
        clientDataJSON: text(response.clientDataJSON),
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
      },
    };
  }

  async function challengeFor(form, button) {
    const about = { purpose: form.dataset.stepUp };
    if (form.elements.digest) about.digest = form.elements.digest.value;
    if (button && button.name === "verdict") about.verdict = button.value;
    const answer = await fetch(CHALLENGE, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
      },
      body: JSON.stringify(about),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    return told;
  }

  function say(form, sentence) {
    const place = form.querySelector("[data-step-up-said]");
    place.textContent = sentence;
    place.hidden = false;
  }

  async function sign(form, button) {
    const told = await challengeFor(form, button);
    const credential = await navigator.credentials.get({ publicKey: asked(told.public_key) });
    form.elements.step_up.value = told.id;
    form.elements.assertion.value = JSON.stringify(answered(credential));
    form.requestSubmit(button);
  }

  function hasCode(form) {
    return Boolean(form.elements.code && form.elements.code.value);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const wants = button && "signs" in button.dataset;
    if (!wants || form.elements.assertion.value || hasCode(form)) return;
    event.preventDefault();
    sign(form, button).catch((error) => {
      const sentence = error.name === "NotAllowedError"
        ? "The passkey was not used, so nothing was sent. Try again."
        : error.message;
      say(form, sentence);
    });
  });
})();
