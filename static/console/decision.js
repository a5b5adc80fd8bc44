/* A decision that the person's passkey signs: the challenge is fetched for exactly what the form holds, and the signature sent with it.
   Without JavaScript, and whenever something is missing here, the form is sent as it is and the server asks for a second factor. */
"use strict";

(() => {
  const form = document.querySelector("form[data-sign]");
  if (!form || !window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) {
    return;
  }
  const problem = document.getElementById("sign-problem");
  let isBusy = false;

  const signed = async (button) => {
    const body = new FormData(form, button);
    const answer = await fetch(form.dataset.sign, { method: "POST", body, headers: { accept: "application/json" } });
    if (answer.redirected) {
      throw new Error("You were signed out meanwhile: load the page again.");
    }
    const begun = await answer.json();
    if (!answer.ok) {
      throw new Error(begun.detail);
    }
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey);
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.ceremony.value = begun.ceremony;
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    const kind = document.createElement("input");
    kind.type = "hidden";
    kind.name = "kind";
    kind.value = button.value;
    form.append(kind);
  };

  form.addEventListener("submit", async (event) => {
    const useCode = form.elements.use_code;
    if (event.submitter?.name !== "kind" || (useCode && useCode.checked)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (isBusy) {
      return;
    }
    isBusy = true;
    problem.textContent = "";
    try {
      await signed(event.submitter);
      form.submit();
    } catch (error) {
      isBusy = false;
      const isDeclined = error.name === "NotAllowedError" || error.name === "AbortError";
      problem.textContent = isDeclined
        ? "Your passkey did not sign: it was declined, or it took too long. Nothing was decided; press the button again."
        : `Nothing was decided. ${error.message || "The passkey did not answer."}`;
    }
  });
})();
